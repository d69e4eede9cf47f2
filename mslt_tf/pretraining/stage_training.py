"""One stage of a run: its variables are built, trained to the stage's end, saved and handed over.

Model, optimizer, input and compiled step end with the stage. Only weights cross to the next one,
and the optimizer's state where the same variables train on.
"""

import time
from collections.abc import Iterator, Sequence

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.modeling import weights
from mslt_tf.pretraining import run_folder, stage_input, stage_meter, train_step
from mslt_tf.pretraining.frozen_stage import last_tenth_begin
from mslt_tf.pretraining.run import Run
from mslt_tf.pretraining.stage_evaluation import make_evaluate_if_due
from mslt_tf.pretraining.stage_parts import Handover, StageParts
from mslt_tf.pretraining.train_step import StepMetrics
from mslt_tf.stage_plan import StageSpan
from mslt_tf.training import checkpointing
from mslt_tf.training.checkpointing import Checkpoint
from mslt_tf.training.interruption import Interruption

SECONDS_PER_CALL = 4.0  # of compiled steps: a signal to stop is answered in between


def train_stage(
    run: Run,
    span: StageSpan,
    before: Handover | None,
    interruption: Interruption,
    *,
    checkpoint: Checkpoint | None = None,
) -> Handover:
    """Trains a stage to its end, or until interrupted, and saves.

    Args:
        run: the run.
        span: the stage and its steps.
        before: what the stage before left; None for the first, or behind a checkpoint.
        interruption: tells when to stop early.
        checkpoint: where to go on within this stage; None begins it.
    """
    with run.strategy.scope():
        parts = _starting_parts(run, span, before, checkpoint)
    start = step = saved = int(parts.global_step.numpy())
    interruption.rest_at(start)
    stage_meter.announce(run, span, start)
    evaluate_if_due = make_evaluate_if_due(run, span, parts.model, interruption)
    if checkpoint:
        evaluate_if_due(start)  # the run may have ended between saving and evaluating
    for step in _steps_to_end(run, span, start, parts, interruption):
        if step == span.end or step % run.config.checkpoint_steps == 0:
            run.save(parts.model, parts.checkpoint(), step, stage=span.stage)
            saved = step
            if step == span.end:
                interruption.rest_at(step)
            else:
                interruption.note_saved(step)
        evaluate_if_due(step)
    if step > saved:
        run.save(parts.model, parts.checkpoint(), step, stage=span.stage)
    interruption.rest_at(step)
    after = run.plan.after(span)
    return parts.hand_over(keeps_optimizer=after is not None and after.keeps_optimizer)


def _starting_parts(
    run: Run, span: StageSpan, before: Handover | None, checkpoint: Checkpoint | None
) -> StageParts:
    """Builds a stage's variables and gives them the values they start from."""
    parts = StageParts.build(run.config, span, run.xla)
    if checkpoint:
        checkpointing.restore(checkpoint, parts.checkpoint())
    elif before:
        parts.start_from(before, span.stage)
    elif run.initial_weights:
        weights.load_found(parts.model, run.initial_weights)
    return parts


def _steps_to_end(
    run: Run, span: StageSpan, step: int, parts: StageParts, interruption: Interruption
) -> Iterator[int]:
    """Trains to the stage's end, yielding the global step after each call of compiled steps."""
    if step == span.end:
        return
    train_steps = train_step.make_train_steps(
        run.config,
        strategy=run.strategy,
        model=parts.model,
        optimizer=parts.optimizer,
        global_step=parts.global_step,
        micro_batch_size=run.config.micro_batch_size_in(
            span, num_replicas=run.strategy.num_replicas_in_sync
        ),
        xla=run.xla,
    )
    batches = stage_input.training_batches(run, span.stage, step)
    stage_meter.announce_communication(run, span.stage, step, train_steps, batches)
    meter = stage_meter.StageMeter(run.config, span, run.log)
    stops = [stop for stop in (span.end, last_tenth_begin(run.plan, span)) if stop is not None]
    num_steps = 1  # the first call compiles; how long a step takes is seen after it
    try:
        while step < span.end and not interruption.agree():
            started = time.monotonic()
            with stage_input.naming_damage_of_training(run, span.stage, step, num_steps):
                totals, bad_step = train_steps(batches, tf.constant(num_steps, tf.int64))
                totals = StepMetrics(*(float(total) for total in totals))
            _check_finite(run.config, span, int(bad_step))
            interruption.start_steps()
            step += num_steps
            meter.add(step, num_steps, totals, time.monotonic() - started)
            yield step
            seconds_per_step = run.workers.largest(meter.seconds_per_step)  # clocks differ
            num_steps = steps_to_next_stop(run.config, step, stops, seconds_per_step)
    finally:
        del batches  # alive when the program ends, its reader may wait for Python for ever
    meter.flush(step)


def _check_finite(config: PretrainingConfig, span: StageSpan, bad_step: int) -> None:
    """Checks what `train_step.TrainSteps` says of losses and gradients.

    Raises:
        UserError: one was not finite.
    """
    if bad_step == train_step.ALL_FINITE:
        return
    # The loss comes before the update: at once after a checkpoint, it is to blame.
    way_back = run_folder.describe_way_back(config, failed_checkpoint=bad_step)
    raise UserError(
        f"the loss or its gradient is not finite at step {bad_step} (stage {span.stage.name}). "
        f"{way_back}"
    )


def steps_to_next_stop(
    config: PretrainingConfig, step: int, stops: Sequence[int], seconds_per_step: float
) -> int:
    """Returns how many steps one call may do: up to what happens next, and not for long.

    Args:
        config: has the intervals of what happens again and again.
        step: the global step reached.
        stops: global steps at which something else happens, the stage's end among them.
        seconds_per_step: how long a step takes.
    """
    intervals = [n for n in (config.log_steps, config.checkpoint_steps, config.eval_steps) if n]
    ahead = [stop for stop in stops if stop > step]
    next_stop = min([*ahead, *((step // n + 1) * n for n in intervals)])
    return max(1, min(next_stop - step, int(SECONDS_PER_CALL / seconds_per_step)))
