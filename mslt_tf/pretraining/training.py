"""The main path: a run from its start to its export, all stages of the plan one after the other."""

import sys
from collections.abc import Callable, Sequence

import tensorflow as tf

from mslt_tf import terminal
from mslt_tf.config import PretrainingConfig
from mslt_tf.distribution.workers import PEER_LOST_STATUS, Workers
from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.files import file_errors, published_folder
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.modeling.weights import Weights
from mslt_tf.pretraining import run_folder, worker_setup
from mslt_tf.pretraining.run import Run
from mslt_tf.pretraining.run_setup import open_run
from mslt_tf.pretraining.stage_training import train_stage
from mslt_tf.stage_plan import StageSpan
from mslt_tf.terminal import say
from mslt_tf.training import checkpoint_folder, graph_memory
from mslt_tf.training.interruption import Interruption


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
            reason, remedy = file_errors.reason(error), file_errors.remedy(error)
            if workers.has_lost_peer(error, is_explained=bool(remedy)):
                terminal.write(f"error: {workers.describe_loss(error)}\n", sys.stderr)
                return interruption.status or PEER_LOST_STATUS
            again = "Start again: the run goes on from its newest checkpoint."
            if remedy:
                raise UserError(f"a file is out of reach ({reason}). {remedy} {again}") from error
            if not isinstance(error, tf.errors.ResourceExhaustedError):
                raise
            raise UserError(
                f"memory is short ({reason}). Lower --micro_batch_size, of which 0 takes all of a "
                f"device's share at once, or in an evaluation --eval_batch_size. {again}"
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
        return _run_stages(run, run.spans_left, interruption)


def _say_finished(workers: Workers, text: str) -> int:
    if workers.is_chief:
        say(text)
    return 0


def _run_stages(run: Run, spans: Sequence[StageSpan], interruption: Interruption) -> int:
    """Trains stages, the first from the run's checkpoint, and exports the model of the last."""
    checkpoint, handover = run.checkpoint, None
    for span in spans:
        with graph_memory.released():  # the next stage needs the device's memory for itself
            handover = train_stage(run, span, handover, interruption, checkpoint=checkpoint)
        checkpoint = None
        if interruption.agree():
            run.log.line("Interrupted; saved. The same command goes on from here.")
            return interruption.stop
    assert handover is not None  # a plan has stages
    if run.workers.is_chief:
        _export(run, handover.weights)
    run.log.line(f"Done. Export: {run.export}")
    return 0


def _export(run: Run, weights: Weights) -> None:
    trained = TrainedModel(
        config=run.config.model,
        weights=weights,
        text_case=run.config.text_case,
        vocabulary=run.records.vocabulary or None,
        step=run.plan.num_steps,
        stage=run.plan.stages[-1].name,
        identity=run.identity,
    )
    folder = run_folder.checkpoints_of(run.config)
    checkpoint = checkpoint_folder.path_of(folder, trained.step)
    published_folder.publish(
        run.export,
        saved_models.KIND,
        lambda folder: saved_models.write(trained, folder, report=run.log.line),
        owns=saved_models.owns,
        facts=run_folder.facts_of_export(checkpoint, trained.step, trained.identity),
        advice="Mend that and start again: the run goes on from its last checkpoint, and exports.",
    )
