"""Names that TensorFlow takes for patterns, where it reads checkpoints and SavedModels."""

from mslt_tf.errors import UserError

_NOT_THEMSELVES = "[\\"  # a pattern with one of these does not match its own name; * and ? do


def check(path: str, *, what: str) -> None:
    """Checks that TensorFlow can read what lies at `path`, or is to be written there.

    Args:
        path: of a file or folder.
        what: the flag that names it, for the message.

    Raises:
        UserError: it cannot.
    """
    if any(character in path for character in _NOT_THEMSELVES):
        raise UserError(
            f"{what} {path} has [ or \\ in it, which TensorFlow takes for a pattern: it writes "
            "such files, and cannot read them. Give a name without, or rename the folder."
        )
