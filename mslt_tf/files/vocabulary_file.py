"""Reads the WordPiece vocabulary that a run was given."""

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.vocabulary import parse_vocabulary


def read(path: str, *, vocab_size: int, flag: str = "--vocab_file") -> list[str]:
    """Returns the tokens of `--vocab_file` in order of their ids.

    Args:
        path: of the file.
        vocab_size: of the model.
        flag: what named the file, for messages.

    Raises:
        UserError: there is no such file, it cannot be read, is no vocabulary, or of another size.
    """
    advice = "Give the vocabulary of the records by --vocab_file."
    with file_errors.naming(f"{flag} {path} cannot be read", advice):
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise UserError(f"{flag} {path} is no file. {advice}")
        with tf.io.gfile.GFile(path, "rb") as file:
            tokens = parse_vocabulary(file.read(), name=f"{flag} {path}")
    if len(tokens) != vocab_size:
        raise UserError(
            f"{flag} {path} has {len(tokens)} tokens, the model has vocab_size {vocab_size}. "
            "Set both to those of the records."
        )
    return tokens
