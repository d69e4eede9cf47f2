"""Reads the WordPiece vocabulary that a program was given."""

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.vocabulary import parse_vocabulary

_ADVICE = "Set --vocab_file and --vocab_size to those of the records."


def read(
    path: str, *, vocab_size: int, flag: str = "--vocab_file", advice: str = _ADVICE
) -> list[str]:
    """Returns the tokens of `--vocab_file` in order of their ids.

    Args:
        path: of the file.
        vocab_size: of the model.
        flag: what named the file, for messages.
        advice: a sentence that says what to give, for messages.

    Raises:
        UserError: there is no such file, it cannot be read, is no vocabulary, or of another size.
    """
    with file_errors.naming(f"{flag} {path} cannot be read", advice):
        if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
            raise UserError(f"{flag} {path} is no file. {advice}")
        with tf.io.gfile.GFile(path, "rb") as file:
            tokens = parse_vocabulary(file.read(), name=f"{flag} {path}")
    if len(tokens) != vocab_size:
        raise UserError(
            f"{flag} {path} has {len(tokens)} tokens, the model has vocab_size {vocab_size}. "
            f"{advice}"
        )
    return tokens
