"""Files for the tests of how they are found, each with its own name as its text."""

import os
from pathlib import Path


def make_files(folder: Path, *names: str) -> None:
    """Writes files by these names below a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(name))


def below(folder: Path, *names: str) -> tuple[str, ...]:
    """Returns the paths of files below a folder."""
    return tuple(f"{folder}/{name}" for name in names)
