"""The main path: all stages of a plan, one after the other, each a function call.

`train_stage` builds the stage's model, optimizer, input and compiled step; they end with it. Only
weights cross to the next stage, and the optimizer's state where the same variables go on training.
"""

import contextlib
import dataclasses
import functools
import gc
import time
from collections.abc import Callable, Iterable, Iterator

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
from mslt_tf.pretraining.record_files import Records
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


@dataclasses.dataclass(frozen=True)
class StageParts:
    """The variables of a stage."""

    model: tf.keras.Model
    optimizer: tf.keras.optimizers.legacy.Optimizer
    global_step: tf.Variable

    def checkpoint(self) -> tf.train.Checkpoint:
        """Returns what a checkpoint of the stage holds."""
        return checkpointing.trackable(self.model, self.optimizer, self.global_step)


def pretrain(config: PretrainingConfig) -> int:
    """Trains all stages of the plan, from the newest checkpoint if there is one, and exports.

    Returns:
        The exit status: 0 when done, 128 + signal number when interrupted (state is saved).

    Raises:
        UserError: settings, data, memory, disk or the output folder are not as they must be.
    """
    run = open_run(config)
    step = run.checkpoint.step if run.checkpoint else 0
    if step == run.plan.num_steps and encoder.exists(run.export):
        say(f"This run is done: {step:,} steps. Export: {run.export}")
        return 0
    encoder.remove(run.export)  # of fewer steps, if this run was lengthened or begun anew
    try:
        return _train_stages(run, first_stage=run.plan.stage_at(max(step - 1, 0))[0])
    except (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError) as error:
        raise UserError(
            f"the machine refused what the run needs: {error.message.splitlines()[0]}. If memory "
            "is short, lower --micro_batch_size; if the disk is full or read-only, mend that. "
            "Start again: the run goes on from its newest checkpoint."
        ) from error


def _train_stages(run: Run, *, first_stage: int) -> int:
    handover: Handover | None = None
    with Interruption() as interruption:
        for index in range(first_stage, len(run.plan.stages)):
            checkpoint = run.checkpoint if index == first_stage else None
            handover = train_stage(run, index, handover, interruption, checkpoint=checkpoint)
            if interruption.status:
                run.log.line("Interrupted; saved. The same command goes on from here.")
                return interruption.status
            gc.collect()  # the stage's variables are in reference cycles and fill the device
    assert handover is not None  # a plan has stages
    encoder.export(run.config, handover.weights, run.export)
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
    stage, end = run.plan.stages[index], run.plan.first_step(index + 1)
    with run.strategy.scope():
        parts = _start_stage(run, index, before, checkpoint)
    start = saved_step = int(parts.global_step.numpy())
    _announce(run, stage, step=start, first_step=run.plan.first_step(index))
    evaluate_if_due = _make_evaluate_if_due(run, index, parts.model, interruption)
    if checkpoint:
        evaluate_if_due(start)  # the run may have ended between saving and evaluating
    step = start
    for step in _train(run, index, start, parts, interruption):
        if step == end or step % run.config.checkpoint_steps == 0:
            run.save(parts.checkpoint(), step)
            saved_step = step
        evaluate_if_due(step)
    if step > saved_step:
        run.save(parts.checkpoint(), step)
    keeps_optimizer = index + 1 < len(run.plan.stages) and run.plan.keeps_optimizer(index + 1)
    return Handover(
        weights=stage_model.weights_of(parts.model),
        optimizer_state=optimization.get_state(parts.optimizer) if keeps_optimizer else None,
    )


def _start_stage(
    run: Run, index: int, before: Handover | None, checkpoint: checkpointing.Checkpoint | None
) -> StageParts:
    """Builds a stage's variables and gives them the values they start from."""
    config, stage = run.config, run.plan.stages[index]
    model = stage_model.build(config, stage)
    global_step = tf.Variable(
        run.plan.first_step(index),
        dtype=tf.int64,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
    optimizer = optimization.make_optimizer(
        config.optimizer,
        global_step=global_step,
        first_step=_optimizer_start(run, index),
        variables=model.trainable_variables,
        precision=config.precision,
    )
    parts = StageParts(model, optimizer, global_step)
    if checkpoint:
        checkpointing.restore(checkpoint, parts.checkpoint())
    elif before:
        stage_model.grow(model, before.weights, stage)
        if before.optimizer_state is not None:
            optimization.set_state(optimizer, before.optimizer_state)
    elif run.initial_weights:
        stage_model.load(model, run.initial_weights)
    return parts


def _train(
    run: Run,
    index: int,
    step: int,
    parts: StageParts,
    interruption: Interruption,
) -> Iterator[int]:
    """Trains to the stage's end, yielding the global step after each call."""
    config, stage = run.config, run.plan.stages[index]
    end = run.plan.first_step(index + 1)
    if step == end:
        return
    train_steps = train_step.make_train_steps(
        config,
        strategy=run.strategy,
        model=parts.model,
        optimizer=parts.optimizer,
        global_step=parts.global_step,
    )
    batches = _training_batches(run, stage, step)
    meter = StageMeter(config, index, run.log, optimizer_start=_optimizer_start(run, index))
    num_steps = 1  # the first call compiles; how long a step takes is seen after it
    while step < end and not interruption.status:
        started = time.monotonic()
        find_blocks = functools.partial(_blocks_read_by, run, step, num_steps, stage)
        with _naming_damage(run.records.train[stage.seq_length], find_blocks):
            totals, bad_step = train_steps(batches, tf.constant(num_steps, tf.int64))
            totals, bad_step = totals.numpy(), int(bad_step.numpy())
        if bad_step != train_step.ALL_FINITE:
            raise UserError(
                f"the loss or its gradient is not finite at step {bad_step} (stage {stage.name}). "
                "Start again with a lower --learning_rate or more --num_warmup_steps: the run "
                "goes on from its newest checkpoint."
            )
        step += num_steps
        meter.add(step, num_steps, totals, time.monotonic() - started)
        yield step
        num_steps = _steps_to_next_stop(config, step, end, meter.seconds_per_step)
    meter.flush(step)


def _steps_to_next_stop(
    config: PretrainingConfig, step: int, end: int, seconds_per_step: float
) -> int:
    """Returns how many steps one call may do: up to what happens next, and not for long."""
    intervals = [n for n in (config.log_steps, config.checkpoint_steps, config.eval_steps) if n]
    next_stop = min([end, *((step // n + 1) * n for n in intervals)])
    return max(1, min(next_stop - step, int(SECONDS_PER_CALL / seconds_per_step)))


def _training_batches(run: Run, stage: Stage, step: int) -> Iterator:
    batch_size = stage.batch_size // run.strategy.num_replicas_in_sync
    # One global batch is num_replicas consecutive batches of the stream.
    return iter(
        run.strategy.distribute_datasets_from_function(
            lambda _: input_pipeline.training_batches(
                run.records.train[stage.seq_length],
                seed=run.config.seed,
                first_position=run.plan.sequences_before(step, seq_length=stage.seq_length),
                batch_size=batch_size,
                masking=run.records.masking,
            )
        )
    )


def _optimizer_start(run: Run, index: int) -> int:
    """Returns the global step at which the optimizer of stage `index` began."""
    while run.plan.keeps_optimizer(index):
        index -= 1
    return run.plan.first_step(index)


def _make_evaluate_if_due(
    run: Run, index: int, model: tf.keras.Model, interruption: Interruption
) -> Callable[[int], None]:
    """Returns a function that evaluates at the stage's end and every `eval_steps` steps, once."""
    stage, end = run.plan.stages[index], run.plan.first_step(index + 1)
    records = run.records.held_out.get(stage.seq_length)
    if records is None:
        return lambda step: None
    evaluate = evaluation.make_evaluate(
        run.strategy,
        model,
        records,
        batch_size=run.config.eval_batch_size,
        vocab_size=run.config.model.vocab_size,
    )

    def evaluate_if_due(step: int) -> None:
        is_due = step == end or (run.config.eval_steps and step % run.config.eval_steps == 0)
        if not is_due or run.log.has_evaluation(step):
            return
        with _naming_damage(records, lambda: range(len(records.blocks))):
            values = evaluate(lambda: bool(interruption.status))
        if values is not None:  # else interrupted: done when the run goes on
            run.log.evaluation(stage=stage.name, step=step, values=values)

    return evaluate_if_due


def _announce(run: Run, stage: Stage, *, step: int, first_step: int) -> None:
    cost = cost_model.stage_cost(run.config.model, stage)
    verb = "goes on" if step > first_step else "begins"
    run.log.line(
        f"{stage.name} {verb} at step {step:,}: {stage.num_blocks} "
        f"{run.plan.block_unit} of {stage.seq_length} tokens, "
        f"{cost.num_trainable_parameters / 1e6:.3f}M trainable parameters"
    )


def _blocks_read_by(run: Run, step: int, num_steps: int, stage: Stage) -> list[int]:
    """Returns the training blocks that `num_steps` steps from `step` on may have read."""
    return input_pipeline.blocks_at(
        run.records.train[stage.seq_length],
        seed=run.config.seed,
        position=run.plan.sequences_before(step, seq_length=stage.seq_length),
        num_records=(num_steps + input_pipeline.BATCHES_AHEAD) * stage.batch_size,
    )


@contextlib.contextmanager
def _naming_damage(records: Records, find_blocks: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Turns an error of the input into one that names the damaged file and record."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
        record_scan.check_blocks([records.blocks[i] for i in find_blocks()], records.layout)
        raise
