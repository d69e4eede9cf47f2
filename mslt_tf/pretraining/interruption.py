"""SIGTERM and Ctrl-C as a wish to save and stop, noticed between calls of compiled steps."""

import signal
from types import FrameType
from typing import Self

from mslt_tf.distribution.workers import Workers

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(KeyboardInterrupt):
    """Raised by a signal while nothing is there that a checkpoint does not hold."""


class Interruption:
    """While entered, remembers the first signal; a second one acts as it always does.

    A signal ends the program at once as long as `has_unsaved_steps` is False: building and tracing
    a stage takes longer than a scheduler waits.
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
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        self._restore()
        if not self.has_unsaved_steps:
            raise Interrupted

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
