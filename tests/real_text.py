"""Real text for tests, which lies beside the project on machines that have it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def path(name: str = ".") -> Path:
    """Returns a file or folder of the real texts; skips the test where there is none."""
    if not (FOLDER / name).exists():
        pytest.skip(f"real texts are absent: no {FOLDER / name}")
    return FOLDER / name
