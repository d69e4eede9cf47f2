"""Runs the trials of a grid, one after the other or several at once."""

import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from mslt_tf.finetuning import trial_training
from mslt_tf.finetuning.grid_progress import GridProgress
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.finetuning.worker_pool import WorkerPool
from mslt_tf.training.interruption import Interruption

_CORES_PER_RUN = 2  # with more, the threads of one run wait for each other


def run(
    setup: Setup,
    trials: Sequence[Trial],
    *,
    num_parallel: int,
    interruption: Interruption,
    progress: GridProgress,
    finished: Callable[[TrialResult], None],
) -> bool:
    """Trains trials, and tells of each that is finished; returns whether all are.

    Args:
        setup: encoder and tasks.
        trials: that are not finished yet.
        num_parallel: trains so many at once; 1 in this process itself.
        interruption: tells when to save and stop.
        progress: hears how it goes.
        finished: takes each result as soon as it is there.

    Raises:
        UserError: a trial failed; the others that were under way are saved.
    """
    if num_parallel > 1:
        pool = WorkerPool(
            setup,
            environments(num_parallel),
            interruption=interruption,
            progress=progress,
        )
        return pool.run(trials, finished)
    for this in trials:
        if interruption.agree():
            return False
        result = trial_training.train(setup, this, interruption=interruption, watcher=progress)
        if result is None:
            return False
        finished(result)
    return True


def choose_num_parallel(asked: int, num_trials: int) -> int:
    """Returns how many trials train at once.

    Args:
        asked: of --num_parallel_runs; 0 for one for each GPU, or else one for two cores.
        num_trials: how many there are.
    """
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    default = num_gpus or len(os.sched_getaffinity(0)) // _CORES_PER_RUN
    return max(1, min(asked or default, num_trials))


def environments(num_parallel: int) -> list[dict[str, str]]:
    """Returns the environment of each of several workers: a GPU for each, or its share of cores."""
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if num_gpus:
        # Those that a scheduler gave us, where it named some.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else [str(number) for number in range(num_gpus)]
        return [{"CUDA_VISIBLE_DEVICES": names[i % num_gpus]} for i in range(num_parallel)]
    num_threads = str(max(1, len(os.sched_getaffinity(0)) // num_parallel))
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return [dict.fromkeys(names, num_threads) for _ in range(num_parallel)]
