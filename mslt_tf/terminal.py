"""What programs say on the terminal: at once, whether or not somebody reads it."""

import datetime
import errno
import io
import os
import sys
from typing import TextIO

# Of a terminal that was hung up, or a `tee` that took the same Ctrl-C.
_GONE = (errno.EIO, errno.EPIPE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EAGAIN)
_LONGEST = 86_400 * 999_999_999  # seconds that a timedelta holds


def escape_unprintable() -> None:
    r"""Makes standard output write as "\u4e2d" what its encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Writes a line to standard output at once."""
    start = "\r" if sys.stdout.isatty() else ""
    write(f"{start}{text}\n")


def format_duration(seconds: float) -> str:
    """Returns hours, minutes and seconds, e.g. "1:02:03"."""
    return str(datetime.timedelta(seconds=round(min(seconds, _LONGEST))))


def write(text: str, output: TextIO | None = None) -> None:
    """Writes text at once, to standard output by default.

    Goes on where nobody reads any more: a run that is to save now, or hours of work, need no
    reader. And where the disk under a log is full: lines are lost until there is room again.
    """
    output = output or sys.stdout
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        if error.errno in _GONE:
            _let_go(output)
        elif error.errno not in _FULL:
            raise


def open_closed() -> None:
    """Opens /dev/null in place of standard streams that were closed before the program began."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            file = os.open(os.devnull, os.O_RDWR)  # takes the lowest number, so mostly this one
            setattr(sys, name, os.fdopen(file, "r+" if number == 0 else "w", closefd=False))


def finish() -> None:
    """Drops what could not be written: else the interpreter would fail at it when it ends."""
    for output in (sys.stdout, sys.stderr):
        try:
            output.flush()
        except OSError:
            _let_go(output)


def _let_go(output: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
