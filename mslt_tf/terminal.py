"""What programs say on the terminal: at once, whether or not somebody reads it."""

import datetime
import errno
import io
import os
import sys
from typing import TextIO


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
    return str(datetime.timedelta(seconds=round(seconds)))


def write(text: str, output: TextIO | None = None) -> None:
    """Writes text at once, to standard output by default; goes on where nobody reads any more."""
    output = output or sys.stdout
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        # A terminal that was hung up, or a `tee` that took the same Ctrl-C: a run that is to save
        # now, or hours of work, need no reader.
        if error.errno not in (errno.EIO, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
