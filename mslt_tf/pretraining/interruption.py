"""SIGTERM and Ctrl-C as a wish to save and stop, noticed between calls of compiled steps."""

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Self

from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining.run_log import say

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """While entered, remembers the first signal; a second one acts as it always does.

    As long as `has_unsaved_steps` is False, a signal ends the program at once: building, tracing
    and compiling a stage takes longer than a scheduler waits. The main thread may then be deep in
    TensorFlow and hear nothing, so another one does it. Nothing is lost: whatever is being written
    meanwhile, such as the export, counts only when it is whole, as a kill must do no harm either.
    """

    def __init__(self, workers: Workers) -> None:
        self.status = 0  # exit status for the signal that came, 128 + its number; 0: none did
        self.stop = 0  # the same, as all workers agreed on
        self.has_unsaved_steps = False
        self._workers = workers

    def agree(self) -> int:
        """Lets the workers agree on whether to stop; all must call it."""
        self.stop = int(self._workers.largest(self.status))
        return self.stop

    def __enter__(self) -> Self:
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)  # or Python refuses it
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        self._previous_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        signal.set_wakeup_fd(self._previous_writer)
        os.close(self._writer)  # ends the thread

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        self._restore()

    def _watch(self, reader: int) -> None:
        """Reads the number of each signal as soon as it comes, whatever the main thread does."""
        while number := os.read(reader, 1):
            if number[0] in SIGNALS and not self.has_unsaved_steps:
                if self._workers.is_chief:
                    with contextlib.suppress(OSError):  # nobody reads our output any more
                        say("Interrupted before there was anything new to save.")
                os._exit(128 + number[0])
        os.close(reader)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
