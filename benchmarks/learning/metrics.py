"""What a run's metrics.jsonl holds so far."""

import contextlib
from pathlib import Path
from typing import Any

from mslt_tf import json_values

METRICS_FILE = "metrics.jsonl"  # of run_pretraining


def read(folder: Path) -> list[dict[str, Any]]:
    """Returns the lines of a run's folder that can be used.

    A kill or a power cut may have spoilt others, and the last may be in the course of being
    written; run_pretraining passes over them too when it goes on.
    """
    path = folder / METRICS_FILE
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with contextlib.suppress(json_values.JsonValueError):
            entry = json_values.loads(line)
            if isinstance(entry, dict) and {"kind", "step"} <= entry.keys():
                found.append(entry)
    return found


def last_step(entries: list[dict[str, Any]]) -> int:
    """Returns the last step that is known to be done."""
    return max((entry["step"] for entry in entries), default=0)
