"""Errors about memory that does not suffice, in words: each work knows what would need less."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors


@contextlib.contextmanager
def naming(advice: str) -> Iterator[None]:
    """Turns TensorFlow's error about memory into one for the user; a full disk's stays as it is.

    Args:
        advice: a sentence on what needs less memory.

    Raises:
        UserError: memory is short.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if file_errors.is_full(error):
            raise
        raise UserError(
            f"memory is short ({file_errors.reason(error)}). {advice} What is finished is kept."
        ) from error
