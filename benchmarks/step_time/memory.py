"""The memory that a process has taken; Linux only, or of its GPU."""

from pathlib import Path

import tensorflow as tf


class Memory:
    """Peaks since the process began: of the GPU if there is one, else of the process.

    Make it before the model is built.
    """

    def __init__(self) -> None:
        """Notes what the libraries alone take."""
        self._gpus = tf.config.list_physical_devices("GPU")
        self._before_model = self._peak()
        self._before_first_step = self._before_model

    def mark_before_first_step(self) -> None:
        """Notes what model, optimizer and input take."""
        self._before_first_step = self._peak()

    def now(self) -> dict[str, int]:
        """Returns the peaks up to each of three moments, in bytes."""
        return {
            "before_model": self._before_model,
            "before_first_step": self._before_first_step,
            "peak": self._peak(),
        }

    def _peak(self) -> int:
        if self._gpus:
            return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
        return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """Returns the most physical memory that this process has had at a time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
