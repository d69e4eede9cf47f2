"""Work for the tests of `processes`: workers must be able to import it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mslt_tf.errors import UserError

Advance = Callable[[int], None]


def square(task: int, advance: Advance) -> tuple[int, int]:
    """Returns the square, later ones sooner, and who found it."""
    time.sleep(0.02 * (5 - task % 5))
    advance(task)
    return task * task, os.getpid()


def refuse(task: int, advance: Advance) -> int:
    if task == 3:
        raise UserError("the third task is not as it must be")
    time.sleep(0.05 if task < 10 else 5)
    advance(1)
    return task


def be_killed(task: int, advance: Advance) -> int:
    """Is killed at the third task, as by a system without memory."""
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    advance(1)
    return task


def be_killed_while_counting(task: int, advance: Advance) -> int:
    """Is killed within a call that counts: it must hold nothing that others wait for."""

    class Killing(int):
        def __radd__(self, other: int) -> int:
            os.kill(os.getpid(), signal.SIGKILL)
            return other

    advance(Killing(1) if task == 3 else 1)
    time.sleep(0.05)
    return task


def write_process_id(task: str, advance: Advance) -> None:
    """Leaves a file that is named like the worker."""
    time.sleep(0.2)  # so that each worker gets a task
    (Path(task) / str(os.getpid())).touch()
