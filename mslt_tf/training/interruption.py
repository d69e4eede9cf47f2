"""Signals as a wish to save and stop, noticed between calls of compiled steps."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.files import folder_lock
from mslt_tf.terminal import say

# A scheduler's, Ctrl-C, a lost terminal, and what Slurm can be told to warn with.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
# Closer ones are one wish: a shell and the kernel both tell of a lost terminal, a held key repeats.
SECONDS_APART = 0.1
SECONDS_TO_SPEAK = 1.0

NOTHING_NEW = "Interrupted before there was anything new to save."
ALL_SAVED = "Interrupted again; all is saved."
TO_BE_SAVED = (
    "the run is going to save and stop. The steps under way end first, which takes up to some "
    "seconds; then a checkpoint of the step reached is written."
)


class Interruption:
    """While entered, a signal asks to save and stop, a second one warns, and a third ends at once.

    Before the first `start_steps`, and at rest, the first one ends the program at once: building,
    tracing and compiling a stage takes longer than a scheduler waits. Nothing is lost: whatever is
    being written meanwhile, such as the export, counts only when it is whole, as a kill must do no
    harm either.

    The main thread may be deep in TensorFlow and hear nothing, so another one, the watcher, reads
    the signals and answers them. The main thread only notes the status to end with. Signals that
    were ignored when the program started, as `nohup` has it, stay ignored.
    """

    def __init__(self, workers: Workers) -> None:
        self.status = 0  # exit status for the signal that came, 128 + its number; 0: none did
        self.stop = 0  # the same, as all workers agreed on
        self._has_unsaved_steps = False
        self._saved_step = 0  # of the newest checkpoint; 0: there is none
        self._workers = workers

    def rest_at(self, step: int) -> None:
        """Takes in that no step is under way, and that all up to `step` are saved."""
        self._saved_step, self._has_unsaved_steps = step, False

    def start_steps(self) -> None:
        """Takes in that there are steps done or under way that no checkpoint has."""
        self._has_unsaved_steps = True

    def note_saved(self, step: int) -> None:
        """Takes in that a checkpoint of `step` was written, and that more steps follow."""
        self._saved_step = step

    def agree(self) -> int:
        """Lets the workers agree on whether to stop; all must call it."""
        self.stop = int(self._workers.largest(self.status))
        return self.stop

    def __enter__(self) -> Self:
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)  # or Python refuses it
        self._watcher = threading.Thread(target=self._watch, args=(reader,), daemon=True)
        self._watcher.start()
        self._previous_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._previous = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_writer)
        os.close(self._writer)  # ends the watcher
        self._watcher.join()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.status = self.status or 128 + number

    def _watch(self, reader: int) -> None:
        """Reads the number of each signal as soon as it comes, whatever the main thread does."""
        count, latest = 0, -math.inf
        while number := os.read(reader, 1):
            now = time.monotonic()
            if number[0] in SIGNALS and now - latest > SECONDS_APART:
                count += 1
                self._answer(signal.Signals(number[0]), count)
            latest = now
        os.close(reader)

    def _answer(self, number: signal.Signals, count: int) -> None:
        if not self._has_unsaved_steps:
            self._end(number, NOTHING_NEW if count == 1 else ALL_SAVED)
        elif count == 1:
            self._tell(f"{number.name}: {TO_BE_SAVED}")
        elif count == 2:
            self._tell(
                f"{number.name}: still saving. Another signal ends the program at once and loses "
                f"{self._unsaved()}."
            )
        else:
            self._end(
                number,
                f"{number.name}: ended at once. Lost are {self._unsaved()}. The same command takes "
                "the run up again.",
            )

    def _unsaved(self) -> str:
        if not self._saved_step:
            return "all steps, as there is no checkpoint yet"
        return f"the steps since the checkpoint of step {self._saved_step:,}"

    def _tell(self, text: str) -> None:
        if self._workers.is_chief:  # the others' output would say it again
            _try(lambda: say(text))

    def _end(self, number: signal.Signals, text: str) -> None:
        self._tell(text)
        _try(folder_lock.release_all)
        os._exit(128 + number)


def _try(action: Callable[[], None]) -> None:
    """Does something that may fail, or never return if a terminal or a disk does not answer.

    It gets a thread of its own, so that the next signal is heard all the same.
    """

    def act() -> None:
        with contextlib.suppress(OSError, tf.errors.OpError):
            action()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_SPEAK)
