"""Small files of other programs, read whole, vocabularies among them."""

from typing import Final

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.vocabulary import parse_vocabulary

_MAX_BYTES: Final = 100_000_000  # configurations and vocabularies have a few millions


def read(path: str) -> bytes:
    """Returns the content of a file.

    Raises:
        UserError: it is far too large for what it should be.
        tensorflow.errors.OpError: it cannot be read.
    """
    size = tf.io.gfile.stat(path).length
    if size > _MAX_BYTES:
        raise UserError(f"{path} has {size:,} bytes; at most {_MAX_BYTES:,} are read.")
    with tf.io.gfile.GFile(path, "rb") as file:
        content: bytes = file.read()
    return content


def read_vocabulary(path: str) -> tuple[str, ...] | None:
    """Returns the tokens of a WordPiece vocabulary by id; None where there is no such file.

    Raises:
        UserError: it is no vocabulary.
        tensorflow.errors.OpError: it cannot be read.
    """
    if not tf.io.gfile.exists(path):
        return None
    return tuple(parse_vocabulary(read(path), name=path))
