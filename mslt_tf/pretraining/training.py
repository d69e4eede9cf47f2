"""The main path: all stages of a plan, one after the other, each a function call.

`train_stage` builds the stage's model, optimizer, input and compiled step; they end with it. Only
weights cross to the next stage, and the optimizer's state where the same variables go on training.
"""

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.export import encoder
from mslt_tf.pretraining import (
    checkpointing,
    evaluation,
    input_pipeline,
    optimization,
    record_scan,
    stage_model,
    train_step,
)
from mslt_tf.pretraining.interruption import Interruption
from mslt_tf.pretraining.run_log import say
from mslt_tf.pretraining.run_setup import Run, open_run
from mslt_tf.pretraining.stage_meter import StageMeter
from mslt_tf.stage_plan import Stage

SECONDS_PER_CALL = 4.0  # of compiled steps: a signal to stop is answered in between


@dataclasses.dataclass(frozen=True)
class Handover:
    """What a stage leaves to the next."""

    weights: stage_model.Weights
    optimizer_state: list[np.ndarray] | None = None


def pretrain(config: PretrainingConfig) -> int:
    """Trains all stages of the plan, from the newest checkpoint if there is one, and exports.

    Returns:
        The exit status: 0 when done, 128 + signal number when interrupted (state is saved).

    Raises:
        UserError: settings, data or the output folder are not as they must be.
    """
    run = open_run(config)
    if run.checkpoint and run.checkpoint.step == run.plan.num_steps and encoder.exists(run.export):
        say(f"This run is done: {run.plan.num_steps:,} steps. Export: {run.export}")
        return 0
    first_stage = run.plan.stage_at(run.checkpoint.step - 1)[0] if run.checkpoint else 0
    handover: Handover | None = None
    with Interruption() as interruption:
        for index in range(first_stage, len(run.plan.stages)):
            checkpoint = run.checkpoint if index == first_stage else None
            handover = train_stage(run, index, handover, interruption, checkpoint=checkpoint)
            if interruption.status:
                run.log.line("Interrupted; saved. The same command goes on from here.")
                return interruption.status
    assert handover is not None  # a plan has stages
    encoder.export(config, handover.weights, run.export)
    run.log.line(f"Done. Export: {run.export}")
    return 0


def train_stage(
    run: Run,
    index: int,
    before: Handover | None,
    interruption: Interruption,
    *,
    checkpoint: checkpointing.Checkpoint | None = None,
) -> Handover:
    """Trains stage `index` to its end, or until interrupted, and saves.

    Args:
        run: the run.
        index: of the stage in the plan.
        before: what the stage before left; None for the first, or behind a checkpoint.
        interruption: tells when to stop early.
        checkpoint: where to go on within this stage; None begins it.
    """
    config, stage = run.config, run.plan.stages[index]
    first_step = run.plan.first_step(index)
    end = first_step + stage.num_steps
    with run.strategy.scope():
        model = stage_model.build(config, stage)
        global_step = tf.Variable(
            first_step, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        optimizer = optimization.make_optimizer(
            config.optimizer,
            global_step=global_step,
            first_step=_optimizer_start(run, index),
            variables=model.trainable_variables,
            precision=config.precision,
        )
        state = checkpointing.trackable(model, optimizer, global_step)
        if checkpoint:
            checkpointing.restore(checkpoint, state)
        elif before:
            stage_model.grow(model, before.weights, stage)
            if before.optimizer_state is not None:
                optimizer.set_weights(before.optimizer_state)
        elif run.initial_weights:
            stage_model.load(model, run.initial_weights)
    start = int(global_step.numpy())
    _announce(run, stage, step=start, first_step=first_step)
    train_steps = train_step.make_train_steps(
        config, strategy=run.strategy, model=model, optimizer=optimizer, global_step=global_step
    )
    for step in _train_until(run, index, start, end, train_steps, interruption):
        if interruption.status or step == end or step % config.checkpoint_steps == 0:
            run.save(state, step)
        if step == end or (config.eval_steps and step % config.eval_steps == 0):
            _evaluate(run, stage, model, step)
    keeps_optimizer = index + 1 < len(run.plan.stages) and run.plan.keeps_optimizer(index + 1)
    return Handover(
        weights=stage_model.weights_of(model),
        optimizer_state=optimizer.get_weights() if keeps_optimizer else None,
    )


def _train_until(
    run: Run,
    index: int,
    step: int,
    end: int,
    train_steps: train_step.TrainSteps,
    interruption: Interruption,
) -> Iterator[int]:
    """Trains, yielding the global step wherever something may have to be saved or measured."""
    config, stage = run.config, run.plan.stages[index]
    if step == end:
        return
    position = run.plan.sequences_before(step)
    batches = _training_batches(run, stage, position)
    meter = StageMeter(config, index, run.log, optimizer_start=_optimizer_start(run, index))
    num_steps = 1  # the first call compiles; how long a step takes is seen after it
    while step < end and not interruption.status:
        started = time.monotonic()
        try:
            totals, bad_step = train_steps(batches, tf.constant(num_steps, tf.int64))
            totals, bad_step = totals.numpy(), int(bad_step.numpy())
        except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
            _name_damage(run, run.plan.sequences_before(step), stage)
            raise
        step += num_steps
        if bad_step != train_step.ALL_FINITE:
            raise UserError(
                f"the loss is not finite at step {bad_step} (stage {stage.name}). Start again "
                "with a lower --learning_rate, more --num_warmup_steps or --precision=float32: "
                "the run goes on from its newest checkpoint."
            )
        meter.add(step, num_steps, totals, time.monotonic() - started)
        yield step
        num_steps = _steps_to_next_stop(config, step, end, meter.seconds_per_step)


def _steps_to_next_stop(
    config: PretrainingConfig, step: int, end: int, seconds_per_step: float
) -> int:
    """Returns how many steps one call may do: up to what happens next, and not for long."""
    intervals = [n for n in (config.log_steps, config.checkpoint_steps, config.eval_steps) if n]
    next_stop = min([end, *((step // n + 1) * n for n in intervals)])
    return max(1, min(next_stop - step, int(SECONDS_PER_CALL / seconds_per_step)))


def _training_batches(run: Run, stage: Stage, position: int) -> Iterator:
    batch_size = stage.batch_size // run.strategy.num_replicas_in_sync
    # One global batch is num_replicas consecutive batches of the stream.
    return iter(
        run.strategy.distribute_datasets_from_function(
            lambda _: input_pipeline.training_batches(
                run.train_records,
                seed=run.config.seed,
                first_position=position,
                batch_size=batch_size,
            )
        )
    )


def _optimizer_start(run: Run, index: int) -> int:
    """Returns the global step at which the optimizer of stage `index` began."""
    while run.plan.keeps_optimizer(index):
        index -= 1
    return run.plan.first_step(index)


def _evaluate(run: Run, stage: Stage, model: tf.keras.Model, step: int) -> None:
    if run.eval_records is None:
        return
    values = evaluation.evaluate(
        run.strategy,
        model,
        run.eval_records,
        batch_size=run.config.eval_batch_size,
        vocab_size=run.config.model.vocab_size,
    )
    run.log.metrics("eval", stage=stage.name, step=step, values=values)
    run.log.line(
        f"{stage.name}  step {step:,}  held out: masked LM loss {values['masked_lm_loss']:.3f} "
        f"(unigram entropy {values['unigram_entropy']:.3f}), accuracy "
        f"{values['masked_lm_accuracy']:.3f}; sentence accuracy "
        f"{values['next_sentence_accuracy']:.3f}"
    )


def _announce(run: Run, stage: Stage, *, step: int, first_step: int) -> None:
    cost = cost_model.stage_cost(run.config.model, stage)
    verb = "goes on" if step > first_step else "begins"
    run.log.line(
        f"{stage.name} {verb} at step {step:,}: {stage.num_blocks} layers, "
        f"{cost.num_trainable_parameters / 1e6:.3f}M trainable parameters"
    )


def _name_damage(run: Run, position: int, stage: Stage) -> None:
    """Raises UserError if the files that were being read turn out damaged."""
    blocks = input_pipeline.blocks_at(
        run.train_records,
        seed=run.config.seed,
        position=position,
        num_records=max(16 * stage.batch_size, record_scan.BLOCK_RECORDS),  # what is read ahead
    )
    record_scan.check_blocks(
        [run.train_records.blocks[block] for block in blocks], run.train_records.layout
    )
