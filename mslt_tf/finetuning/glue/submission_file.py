"""The file of a submission: one that this program wrote is replaced, any other stays.

Beside it lies its hash, under a name that nothing else gives. So a file that somebody changed, or
put in its place, is known and kept, and the new one gets a name beside it.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf.files import own_file

RECORD = ".made_by_mslt_tf.json"  # after the name of the file: its hash


def write(path: str, content: bytes) -> str:
    """Writes a submission unless it is there already.

    Args:
        path: where it is to lie.
        content: of the file.

    Returns:
        Where it is: `path`, or a name with a number where a file is there that is to be kept.

    Raises:
        tensorflow.errors.OpError, OSError: it cannot be written, or what is there not be read.
    """
    place = next(name for name in _names(path) if not is_kept(name) or _read(name) == content)
    if _read(place) != content:
        own_file.write(place, content)
        own_file.write(place + RECORD, _record_of(content))
    return place


def is_kept(path: str) -> bool:
    """Returns whether a file is there that is not, or not any more, as `write` left it.

    Raises:
        tensorflow.errors.OpError: it cannot be read.
    """
    content = _read(path)
    if content is None:
        return False
    return _read(path + RECORD) != _record_of(content)


def _names(path: str) -> Iterator[str]:
    stem, suffix = os.path.splitext(path)
    return itertools.chain([path], (f"{stem}_{number}{suffix}" for number in itertools.count(2)))


def _read(path: str) -> bytes | None:
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())


def _record_of(content: bytes) -> bytes:
    return f"{json.dumps({'sha256': hashlib.sha256(content).hexdigest()})}\n".encode()
