"""Disks of a few pages, which fill up."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """Makes a disk of one page at a folder that is not there yet; skips where it has no rights."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes rights that this process lacks")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, option: str) -> None:
    """Changes a disk, e.g. by "size=1m" or "ro"."""
    subprocess.run(["mount", "-o", f"remount,{option}", str(disk)], check=True)
