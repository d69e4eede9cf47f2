"""Files of JSON objects, one a line, that are added to and read back after crashes."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.files import own_file


@dataclasses.dataclass(frozen=True)
class Line:
    """A line that is as it was written."""

    content: bytes  # without its end
    entry: Mapping[str, Any]


def append(path: str, entry: Mapping[str, Any]) -> None:
    """Adds a line. What a crash left of the line before it stays a line of its own.

    Raises:
        tensorflow.errors.OpError: the file cannot be written.
    """
    start = "\n" if _has_open_end(path) else ""
    with tf.io.gfile.GFile(path, "a") as file:
        file.write(f"{start}{json.dumps(entry)}\n")


def read(
    path: str, is_entry: Callable[[Any], bool], *, report: Callable[[str], None]
) -> list[Line]:
    """Returns the lines that can be used; passes over the others, and reports how many.

    A power cut leaves zeros in place of lines. Half a line at the end is what any kill leaves, and
    not worth a word.

    Args:
        path: may be missing.
        is_entry: tells whether a line's JSON value is what it must be.
        report: takes a note.

    Raises:
        tensorflow.errors.OpError: the file cannot be read.
    """
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path, "rb") as file:
        contents = file.read().split(b"\n")
    if b"\0" not in contents[-1]:
        del contents[-1]  # half a line, or nothing
    found = [_parse(content, is_entry) for content in contents]
    bad = [number for number, line in enumerate(found, start=1) if line is None]
    if bad:
        report(
            f"note: {path} has {len(bad)} line(s) that are no entries, the first is line {bad[0]}; "
            "they are left out from here on"
        )
    return [line for line in found if line]


def write(path: str, lines: Iterable[Line]) -> None:
    """Puts these lines in place of the file; until then the one before stays whole.

    Raises:
        tensorflow.errors.OpError: the file cannot be written.
        OSError: the disk does not take what was written.
    """
    own_file.write(path, b"".join(line.content + b"\n" for line in lines))


def _parse(content: bytes, is_entry: Callable[[Any], bool]) -> Line | None:
    try:
        value = json_values.loads(content)
    except json_values.JsonValueError:
        return None
    return Line(content, value) if is_entry(value) else None


def _has_open_end(path: str) -> bool:
    size = tf.io.gfile.stat(path).length if tf.io.gfile.exists(path) else 0
    if not size:
        return False
    with tf.io.gfile.GFile(path, "rb") as file:
        file.seek(size - 1)
        return bool(file.read(1) != b"\n")
