"""A worker of a pool that is asked to stop in the last step of the trial with seed 0.

The trial with seed 1, in another worker, brings it about as the environment's `TROUBLE` says.
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

INTERRUPT, FAIL = "interrupt", "fail"
FAILURE = "the trial with seed 1 failed"
_asked_to_stop = threading.Event()


def take_the_workers_place() -> None:
    """Lets the pools of this process start this module instead of the worker."""
    pools_worker.__name__ = __name__


def _note(interruption, number, frame, note=Interruption._note):
    note(interruption, number, frame)
    _asked_to_stop.set()


def _tell(run, update, tell=trial_training._Run._tell):
    tell(run, update)
    is_last = Path(run._settings.output_dir) / "is_at_the_last_step"
    if run._this.seed == 0 and update.step == run.num_steps:
        is_last.touch()
        assert _asked_to_stop.wait(timeout=60)
    if run._this.seed == 1:
        assert process_groups.wait_until(is_last.exists, timeout=60)
        if os.environ["TROUBLE"] == FAIL:
            raise UserError(FAILURE)
        os.kill(os.getppid(), signal.SIGINT)
        assert _asked_to_stop.wait(timeout=60)


if __name__ == "__main__":
    Interruption._note, trial_training._Run._tell = _note, _tell
    sys.exit(worker.main())
