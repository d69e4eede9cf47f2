"""The main path: all stages of a plan, one after the other, each a function call.

`train_stage` builds the stage's model, optimizer, input and compiled step; they end with it. Only
weights cross to the next stage, and the optimizer's state where the same variables go on training.
"""

import dataclasses
import gc
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.distribution.workers import PEER_LOST_STATUS, Workers
from mslt_tf.errors import UserError
from mslt_tf.export import encoder
from mslt_tf.files import file_errors
from mslt_tf.modeling import weights
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import (
    run_folder,
    stage_input,
    stage_meter,
    stage_model,
    train_step,
    worker_setup,
)
from mslt_tf.pretraining.run_setup import Run, open_run
from mslt_tf.pretraining.stage_evaluation import make_evaluate_if_due
from mslt_tf.terminal import say
from mslt_tf.training import checkpointing, optimization
from mslt_tf.training.interruption import Interruption

SECONDS_PER_CALL = 4.0  # of compiled steps: a signal to stop is answered in between


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

    def checkpoint(self) -> tf.train.Checkpoint:
        """Returns what a checkpoint of the stage holds."""
        return checkpointing.trackable(self.model, self.optimizer, self.global_step)


def pretrain(config: PretrainingConfig) -> int:
    """Trains all stages of the plan, from the newest checkpoint if there is one, and exports.

    Returns:
        The exit status: 0 when done, 128 + signal number when interrupted (state is saved),
        PEER_LOST_STATUS when another worker is gone.

    Raises:
        UserError: settings, data, workers, memory, disk or the output folder are not as they must
            be.
    """
    return _with_workers(config, _pretrain)


def check(config: PretrainingConfig) -> int:
    """Checks all that `pretrain` would before its first step, and says so; leaves no file behind.

    Returns:
        The exit status, as `pretrain`.

    Raises:
        UserError: as `pretrain`.
    """
    return _with_workers(config, _check)


def _with_workers(
    config: PretrainingConfig,
    work: Callable[[PretrainingConfig, Workers, Interruption], int],
) -> int:
    """Returns the exit status of `work`, also when another worker ends first."""
    workers = worker_setup.start_workers(config)
    with Interruption(workers) as interruption:
        try:
            return work(config, workers, interruption)
        except tf.errors.OpError as error:
            if workers.has_lost_peer(error):
                sys.stderr.write(f"error: {workers.describe_loss(error)}\n")
                return interruption.status or PEER_LOST_STATUS
            again = "Start again: the run goes on from its newest checkpoint."
            reason, remedy = file_errors.reason(error), file_errors.remedy(error)
            if remedy:
                raise UserError(f"a file is out of reach ({reason}). {remedy} {again}") from error
            if not isinstance(error, tf.errors.ResourceExhaustedError):
                raise
            raise UserError(
                f"memory is short ({reason}). Lower --micro_batch_size. {again}"
            ) from error


def _check(config: PretrainingConfig, workers: Workers, _: Interruption) -> int:
    with run_folder.claimed(config, workers, writes=False):
        finished = run_folder.describe_finished(config, workers)
        if finished:
            return _say_finished(workers, finished)
        run = open_run(config, workers, writes=False)
    where = f"goes on from {run.checkpoint.path}" if run.checkpoint else "begins anew"
    if workers.is_chief:
        say(
            f"All is well: {workers.count} workers, {run.strategy.num_replicas_in_sync} devices, "
            f"records and {config.output_dir} are as they must be. The run {where}."
        )
    return 0


def _pretrain(config: PretrainingConfig, workers: Workers, interruption: Interruption) -> int:
    with run_folder.claimed(config, workers) as lock:
        finished = run_folder.describe_finished(config, workers)
        if finished:
            return _say_finished(workers, finished)
        run = open_run(config, workers, lock=lock)
        is_done = workers.is_chief and run_folder.is_done(config, run.checkpoint)
        if workers.of_chief(is_done):
            run.log.line(f"This run is done: {run.checkpoint.step:,} steps. Export: {run.export}")
            return 0
        step = run.checkpoint.step if run.checkpoint else 0
        return _train_stages(run, interruption, first_stage=run.plan.stage_at(max(step - 1, 0))[0])


def _say_finished(workers: Workers, text: str) -> int:
    if workers.is_chief:
        say(text)
    return 0


def _train_stages(run: Run, interruption: Interruption, *, first_stage: int) -> int:
    handover: Handover | None = None
    for index in range(first_stage, len(run.plan.stages)):
        checkpoint = run.checkpoint if index == first_stage else None
        handover = train_stage(run, index, handover, interruption, checkpoint=checkpoint)
        if interruption.agree():
            run.log.line("Interrupted; saved. The same command goes on from here.")
            return interruption.stop
        gc.collect()  # the stage's variables are in reference cycles and fill the device
    assert handover is not None  # a plan has stages
    if run.workers.is_chief:
        facts = run_folder.facts_of_export(run.plan.num_steps, run.identity)
        encoder.export(run.config, handover.weights, run.export, facts=facts)
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
    start = interruption.saved_step = int(parts.global_step.numpy())
    stage_meter.announce(run, stage, step=start, first_step=run.plan.first_step(index))
    evaluate_if_due = make_evaluate_if_due(run, index, parts.model, interruption)
    if checkpoint:
        evaluate_if_due(start)  # the run may have ended between saving and evaluating
    step = start
    for step in _train(run, index, start, parts, interruption):
        if step == end or step % run.config.checkpoint_steps == 0:
            run.save(parts.model, parts.checkpoint(), step, stage=stage)
            interruption.saved_step = step
            interruption.has_unsaved_steps = step < end
        evaluate_if_due(step)
    if step > interruption.saved_step:
        run.save(parts.model, parts.checkpoint(), step, stage=stage)
    interruption.has_unsaved_steps = False
    keeps_optimizer = index + 1 < len(run.plan.stages) and run.plan.keeps_optimizer(index + 1)
    return Handover(
        weights=weights.weights_of(parts.model),
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
        compiles=train_step.choose_xla(config) == "chains",
    )
    parts = StageParts(model, optimizer, global_step)
    if checkpoint:
        checkpointing.restore(checkpoint, parts.checkpoint())
    elif before:
        stage_model.grow(model, before.weights, stage)
        if before.optimizer_state is not None:
            optimization.set_state(optimizer, before.optimizer_state)
    elif run.initial_weights:
        weights.load(model, run.initial_weights)
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
        micro_batch_size=config.micro_batch_size_in(stage),
    )
    batches = stage_input.training_batches(run, stage, step)
    stage_meter.announce_communication(run, stage, step, train_steps, batches)
    meter = stage_meter.StageMeter(
        config, index, run.log, optimizer_start=_optimizer_start(run, index)
    )
    num_steps = 1  # the first call compiles; how long a step takes is seen after it
    try:
        while step < end and not interruption.agree():
            started = time.monotonic()
            with stage_input.naming_damage_of_training(run, stage, step, num_steps):
                totals, bad_step = train_steps(batches, tf.constant(num_steps, tf.int64))
                totals, bad_step = totals.numpy(), int(bad_step.numpy())
            if bad_step != train_step.ALL_FINITE:
                # The loss comes before the update: at once after a checkpoint, it is to blame.
                way_back = run_folder.describe_way_back(config, failed_checkpoint=bad_step)
                raise UserError(
                    f"the loss or its gradient is not finite at step {bad_step} (stage "
                    f"{stage.name}). {way_back}"
                )
            interruption.has_unsaved_steps = True
            step += num_steps
            meter.add(step, num_steps, totals, time.monotonic() - started)
            yield step
            seconds_per_step = run.workers.largest(meter.seconds_per_step)  # clocks differ
            num_steps = _steps_to_next_stop(config, step, end, seconds_per_step)
    finally:
        del batches  # alive when the program ends, its reader may wait for Python for ever
    meter.flush(step)


def _steps_to_next_stop(
    config: PretrainingConfig, step: int, end: int, seconds_per_step: float
) -> int:
    """Returns how many steps one call may do: up to what happens next, and not for long."""
    intervals = [n for n in (config.log_steps, config.checkpoint_steps, config.eval_steps) if n]
    next_stop = min([end, *((step // n + 1) * n for n in intervals)])
    return max(1, min(next_stop - step, int(SECONDS_PER_CALL / seconds_per_step)))


def _optimizer_start(run: Run, index: int) -> int:
    """Returns the global step at which the optimizer of stage `index` began."""
    while run.plan.keeps_optimizer(index):
        index -= 1
    return run.plan.first_step(index)
