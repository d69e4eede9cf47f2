"""How much memory a process and all that it started take together; Linux only."""

import subprocess
import threading
from pathlib import Path


class PeakMemory:
    """Samples the memory of a process and its descendants until it ends; use it as a context.

    Attributes:
        peak_bytes: the largest sum seen of proportional set sizes: a page that several processes
            share counts once.
    """

    def __init__(self, process: subprocess.Popen, *, seconds_between: float = 0.2):
        """Takes a running process."""
        self.peak_bytes = 0
        self._process, self._seconds_between = process, seconds_between
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(self._seconds_between):
            pids = [self._process.pid, *descendants(self._process.pid)]
            self.peak_bytes = max(self.peak_bytes, sum(map(proportional_set_size, pids)))


def descendants(pid: int) -> list[int]:
    """Returns the processes that `pid` and its children started and that still run."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:  # ended meanwhile
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def proportional_set_size(pid: int) -> int:
    """Returns bytes; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
