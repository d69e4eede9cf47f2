"""A worker of a pool whose trial waits for the one beside it, as the environment's `WAITS` says.

The tests that use it have two trials, with the seeds 0 and 1, and a worker for each.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from mslt_tf.errors import UserError
from mslt_tf.finetuning import trial_training, worker
from mslt_tf.finetuning.worker_pool import worker as pools_worker
from mslt_tf.training.interruption import Interruption
from tests import process_groups
from tests.finetuning import tiny_grid

# Seed 0 waits in its last step to be asked to stop; meanwhile seed 1 interrupts the grid, or fails.
UNTIL_INTERRUPTED, UNTIL_FAILED = "until interrupted", "until failed"
# After each entry a trial waits until the other's log is at most two entries shorter, so that on a
# busy machine, too, neither has ended when both have begun.
SIDE_BY_SIDE = "side by side"
FAILURE = "the trial with seed 1 failed"
SECONDS = 120
_asked_to_stop = threading.Event()


def take_the_workers_place() -> None:
    """Lets the pools of this process start this module instead of the worker."""
    pools_worker.__name__ = __name__


def _note(interruption, number, frame, note=Interruption._note):
    note(interruption, number, frame)
    _asked_to_stop.set()


def _tell(run, update, tell=trial_training._Run._tell):
    tell(run, update)
    if os.environ["WAITS"] == SIDE_BY_SIDE:
        if update.step % run._settings.log_steps == 0:
            _wait_for_the_other(run)
    else:
        _wait_in_the_last_step(run, update)


def _wait_for_the_other(run):
    own = Path(run._folder)
    other = own.with_name(own.name[:-1] + str(1 - run._this.seed))
    count = tiny_grid.count_entries(own) - 2
    assert process_groups.wait_until(
        lambda: tiny_grid.count_entries(other) >= count or _asked_to_stop.is_set(), timeout=SECONDS
    )


def _wait_in_the_last_step(run, update):
    is_last = Path(run._settings.output_dir) / "is_at_the_last_step"
    if run._this.seed == 0 and update.step == run.num_steps:
        is_last.touch()
        assert _asked_to_stop.wait(timeout=SECONDS)
    if run._this.seed == 1:
        assert process_groups.wait_until(is_last.exists, timeout=SECONDS)
        if os.environ["WAITS"] == UNTIL_FAILED:
            raise UserError(FAILURE)
        os.kill(os.getppid(), signal.SIGINT)
        assert _asked_to_stop.wait(timeout=SECONDS)


if __name__ == "__main__":
    Interruption._note, trial_training._Run._tell = _note, _tell
    sys.exit(worker.main())
