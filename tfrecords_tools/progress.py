"""The progress of these tools on the terminal, with rate and time left."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from mslt_tf import terminal

_TERMINAL_SECONDS = 0.2  # between two updates of one line on a terminal
_LOG_SECONDS = 10.0  # between two lines of a log file


class Progress:
    """Counts the units of one phase; one updating line on a terminal, a line per 10 s elsewhere."""

    def __init__(
        self,
        phase: str,
        *,
        unit: str,
        total: int | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._phase = phase
        self._unit = unit
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._pause = _TERMINAL_SECONDS if self._is_terminal else _LOG_SECONDS
        self._begin = self._last_shown = clock()
        self._done = 0

    def advance(self, count: int = 1) -> None:
        """Adds `count` finished units, and shows them if it is time to."""
        self._done += count
        now = self._clock()
        if now - self._last_shown >= self._pause:
            self._last_shown = now
            self._show(now, end="" if self._is_terminal else "\n")

    def finish(self) -> None:
        """Shows the final count, on a line that stays."""
        self._total = None  # nothing is left to estimate
        self._show(self._clock(), end="\n")

    def _show(self, now: float, *, end: str) -> None:
        # Carriage return, and "erase to the end of the line", for the longer line before.
        start = "\r\x1b[K" if self._is_terminal else ""
        terminal.write(start + self._line(now - self._begin) + end, self._stream)

    def _line(self, seconds: float) -> str:
        rate = self._done / seconds if seconds > 0 else 0.0
        of_total = "" if self._total is None else f" of {self._total:,}"
        line = f"{self._phase}: {self._done:,}{of_total} {self._unit}, {rate:,.0f}/s"
        if self._total is not None and rate > 0:
            line += f", ETA {terminal.format_duration(max(self._total - self._done, 0) / rate)}"
        else:
            line += f", {seconds:,.1f} s"
        return line
