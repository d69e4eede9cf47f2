"""One stage of a tiny model, and its compiled steps."""

import dataclasses

import tensorflow as tf

from mslt_tf.pretraining import train_step
from mslt_tf.pretraining.stage_parts import StageParts
from mslt_tf.pretraining.train_step import StepMetrics
from mslt_tf.records import input_pipeline

FIRST_STEP = 2  # at 0 the learning rate is 0
NO_DROPOUT = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}


class Trained:
    """The parts of one stage, and its steps."""

    def __init__(self, config, records, *, stage=0, strategy=None, num_batches=-1):
        self.strategy = strategy or tf.distribute.get_strategy()
        num_replicas = self.strategy.num_replicas_in_sync
        self.stage = config.plan.stages[stage]
        span = config.plan.spans[stage]
        span = dataclasses.replace(span, first_step=FIRST_STEP, optimizer_start=0)
        xla = train_step.choose_xla(config)
        with self.strategy.scope():
            parts = StageParts.build(config, span, xla)
        self.model, self.optimizer = parts.model, parts.optimizer
        self._steps = train_step.make_train_steps(
            config,
            strategy=self.strategy,
            model=parts.model,
            optimizer=parts.optimizer,
            global_step=parts.global_step,
            micro_batch_size=config.micro_batch_size_in(span, num_replicas=num_replicas),
            xla=xla,
        )
        dataset = input_pipeline.training_batches(
            records,
            seed=0,
            first_position=0,
            batch_size=self.stage.batch_size,
            share=input_pipeline.Share(num_replicas=num_replicas),
        )
        dataset = dataset.take(num_batches).repeat()
        self._batches = iter(self.strategy.distribute_datasets_from_function(lambda _: dataset))

    def train(self, num_steps):
        """Returns the means over the steps, and the first step that was not finite."""
        totals, bad_step = self._steps(self._batches, tf.constant(num_steps, tf.int64))
        return StepMetrics(*(float(total) / num_steps for total in totals)), int(bad_step)

    def concrete_function(self):
        return self._steps.get_concrete_function(self._batches, tf.constant(1, tf.int64))

    def weights(self):
        return {v.name: v.numpy() for v in self.model.variables}


def first_batch(records, batch_size=8):
    dataset = input_pipeline.training_batches(
        records, seed=0, first_position=0, batch_size=batch_size
    )
    return next(iter(dataset))
