"""The variables of a stage, and what of them the next stage starts from."""

import dataclasses
from typing import Self

import numpy as np
import tensorflow as tf

from mslt_tf.config import PretrainingConfig, Xla
from mslt_tf.modeling import weights
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import stage_model, train_step
from mslt_tf.stage_plan import Stage, StageSpan
from mslt_tf.training import checkpointing, optimization


@dataclasses.dataclass(frozen=True)
class Handover:
    """What a stage leaves to the next."""

    weights: Weights
    optimizer_state: list[np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class StageParts:
    """The variables of a stage."""

    model: tf.keras.Model
    optimizer: tf.keras.optimizers.legacy.Optimizer
    global_step: tf.Variable

    @classmethod
    def build(cls, config: PretrainingConfig, span: StageSpan, xla: Xla) -> Self:
        """Returns new variables at the stage's first step, with initial weights.

        Call it under the strategy's scope. `xla` is what `train_step.choose_xla` chose.
        """
        forms = train_step.forms_for(xla)
        model = stage_model.build(config, span.stage, forms=forms)
        global_step = tf.Variable(
            span.first_step,
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        optimizer = optimization.make_optimizer(
            config.optimizer,
            global_step=global_step,
            optimizer_start=span.optimizer_start,
            variables=model.trainable_variables,
            precision=config.precision,
            forms=forms,
        )
        return cls(model, optimizer, global_step)

    def checkpoint(self) -> tf.train.Checkpoint:
        """Returns what a checkpoint of the stage holds."""
        return checkpointing.trackable(self.model, self.optimizer, self.global_step)

    def start_from(self, before: Handover, stage: Stage) -> None:
        """Takes over what the stage before left."""
        stage_model.grow(self.model, before.weights, stage)
        if before.optimizer_state is not None:
            optimization.set_state(self.optimizer, before.optimizer_state)

    def hand_over(self, *, keeps_optimizer: bool) -> Handover:
        """Returns what the next stage starts from; `keeps_optimizer` is the next one's."""
        state = optimization.get_state(self.optimizer) if keeps_optimizer else None
        return Handover(weights.weights_of(self.model), state)
