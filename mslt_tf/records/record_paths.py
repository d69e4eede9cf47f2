"""Finds the record files that paths and globs of the command line name."""

import os
from collections.abc import Iterator, Sequence

import tensorflow as tf

from mslt_tf.errors import UserError

MAX_COMMAS = 3  # that a name is thought to have


def find(patterns: Sequence[str]) -> list[str]:
    """Returns the files that match any of `patterns`, each once, sorted.

    Args:
        patterns: paths or globs, as a flag was split at its commas. A file of exactly this name is
            meant even if the name looks like a glob.

    Raises:
        UserError: one of them is a folder, or matches nothing.
    """
    paths: set[str] = set()
    for index, pattern in enumerate(patterns):
        if tf.io.gfile.isdir(pattern):
            raise UserError(
                f"{pattern} is a folder. Name the files in it, e.g. "
                f"{os.path.join(pattern, 'train-*.tfrecord')}."
            )
        matches = _match(pattern)
        if not matches:
            raise UserError(_describe_lack(patterns, index))
        paths.update(matches)
    return sorted(paths)


def _match(pattern: str) -> list[str]:
    if tf.io.gfile.exists(pattern):
        return [pattern]
    return [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]


def _describe_lack(patterns: Sequence[str], index: int) -> str:
    """Returns what to tell the user of the pattern at `index`, which matches nothing."""
    text = f"no record file matches {patterns[index]}: "
    for whole in _joined_with_neighbours(patterns, index):
        if _match(whole):
            return (
                f"{text}the flag was split at each comma. Write a name with a comma in double "
                f"quotes, and keep them from the shell with single ones: '\"{whole}\"'."
            )
    folder = os.path.dirname(patterns[index]) or "."
    there = "holds no such file" if tf.io.gfile.isdir(folder) else "does not exist"
    return (
        f"{text}folder {folder} {there}. Create records with tfrecords_tools/create_data.py, or "
        "correct the path."
    )


def _joined_with_neighbours(patterns: Sequence[str], index: int) -> Iterator[str]:
    """Yields the names with commas of which `patterns[index]` may be a part."""
    for begin in range(max(0, index - MAX_COMMAS), index + 1):
        for end in range(max(index, begin + 1), min(len(patterns) - 1, begin + MAX_COMMAS) + 1):
            yield ",".join(patterns[begin : end + 1])
