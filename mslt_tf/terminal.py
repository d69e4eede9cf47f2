"""What a run says on the terminal: whole lines, at once, whether or not somebody reads them."""

import datetime
import errno
import io
import os
import sys


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


def write(text: str) -> None:
    """Writes text to standard output at once, and goes on where nobody reads it any more."""
    output = sys.stdout
    try:
        output.write(text)
        output.flush()
    except OSError as error:
        # A terminal that was hung up, or a `tee` that took the same Ctrl-C: the run, which is to
        # save now, needs no reader.
        if error.errno not in (errno.EIO, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
