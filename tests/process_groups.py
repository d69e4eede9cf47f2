"""Watches a program together with all processes that it starts: who lives, how much memory."""

import dataclasses
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.process_memory import proportional_set_size

_PAUSE_SECONDS = 0.2  # between two looks at the memory


@dataclasses.dataclass(frozen=True)
class MemoryPeak:
    """The most memory that all processes of a session held at one time."""

    num_bytes: int  # sum of the proportional set sizes: shared pages count once
    num_processes: int  # at that time


def start(command: list[str], **options: object) -> subprocess.Popen[str]:
    """Starts a program in a session of its own, whose number is the program's process id."""
    return subprocess.Popen(  # type: ignore[call-overload]
        command,
        start_new_session=True,
        text=True,
        preexec_fn=_hear_interrupts,
        **options,
    )


def _hear_interrupts() -> None:
    # A shell has its background commands ignore them, and their children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def members(session: int) -> Iterator[int]:
    """Yields the ids of the session's processes that have not ended."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
                continue
            state, session_of_process = fields[0], int(fields[3])
            if session_of_process == session and state not in "ZX":
                yield int(path.name)


def watch_memory(process: subprocess.Popen[str], *, timeout: float) -> MemoryPeak:
    """Waits for the end of a program that `start` started, and returns its peak."""
    peak, end = MemoryPeak(0, 0), time.monotonic() + timeout
    while process.poll() is None:
        if time.monotonic() > end:
            process.kill()
            raise TimeoutError(f"{process.args!r} runs for more than {timeout} s")
        sizes = [proportional_set_size(process_id) for process_id in members(process.pid)]
        peak = max(peak, MemoryPeak(sum(sizes), len(sizes)), key=lambda found: found.num_bytes)
        time.sleep(_PAUSE_SECONDS)
    return peak


def wait_until(condition: Callable[[], object], *, timeout: float, pause: float = 0.002) -> bool:
    """Waits until the condition holds; returns whether it does."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
