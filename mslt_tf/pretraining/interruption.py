"""SIGTERM and Ctrl-C as a wish to save and stop, noticed between calls of compiled steps."""

import signal
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """While entered, remembers the first signal; a second one acts as it always does."""

    def __init__(self) -> None:
        self.status = 0  # exit status to end with, 128 + signal number; 0: no signal came

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.status = 128 + number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
