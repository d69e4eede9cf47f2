"""What TensorFlow and the operating system say of files, in words for people: the one translator.

Whoever touches files names what it wanted and what the user can do; the cause is named here.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf.errors import UserError

# TensorFlow wraps what its operations say: "{{function_node ...}} TEXT [Op:...] name: ...".
_WRAPPING = re.compile(r"\{\{[^{}]*\}\}\s*|\s*\[\[\{\{.*|\s*\[Op:.*", re.DOTALL)
_SCHEME = re.compile(r"File system scheme '([^']*)' not implemented \(file: '([^']*)'")
_NETWORK = re.compile(r"libcurl code \d+ meaning '(.*?)'(?=,|$)")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
# Of disks of other machines that do not answer; TensorFlow has no kind, or one of many meanings.
_PASSING = tuple(
    os.strerror(number)
    for number in (
        *(errno.EIO, errno.ENOTCONN, errno.EREMOTEIO, errno.EBUSY, errno.ESTALE),
        *(errno.EKEYEXPIRED, errno.ENOKEY),
    )
)
_FULL_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileError(UserError):
    """A file cannot be read or written; what it would hold may be quite right."""


def reason(error: Exception) -> str:
    """Returns, in one line, what an error of TensorFlow or the operating system says is wrong."""
    if isinstance(error, tf.errors.OpError):
        text = _WRAPPING.sub("", error.message).strip() or type(error).__name__
    else:
        text = getattr(error, "strerror", None) or str(error)
        name = getattr(error, "filename", None)
        text = f"{name}; {text}" if name else text
    scheme = _SCHEME.search(text)
    if scheme:
        return f"this TensorFlow cannot read or write {scheme[1]}:// paths, such as {scheme[2]}"
    network = _NETWORK.search(text)
    if network:
        path = re.search(r"gs://\S*", text)
        return f"the network does not reach {path[0] if path else 'it'}: {network[1]}"
    return " ".join(text.split())


def remedy(error: Exception) -> str:
    """Returns what can be done about the cause; "" where only the user knows."""
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    if is_full(error):
        return "Make room."
    if _SCHEME.search(text):
        return "Give a local path, one of a mounted disk, or gs://."
    if _NETWORK.search(text):
        return "See to the network, its proxy and your credentials, or give a local path."
    if isinstance(error, tf.errors.PermissionDeniedError | PermissionError):
        return "Get the rights to it, or give another."
    return ""


def is_full(error: Exception) -> bool:
    """Returns whether an error says that a disk, a quota or a limit on files is used up."""
    if isinstance(error, OSError):
        return error.errno in _FULL_NUMBERS
    return isinstance(error, tf.errors.OpError) and any(text in error.message for text in _FULL)


def may_pass(error: Exception) -> bool:
    """Returns whether a file that could not be read may well be whole, and readable later."""
    kinds = (
        *(PermissionError, tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError),
        *(tf.errors.UnavailableError, tf.errors.DeadlineExceededError),
        *(tf.errors.ResourceExhaustedError, tf.errors.AbortedError),
    )
    return isinstance(error, kinds) or any(text in reason(error) for text in _PASSING)


@contextlib.contextmanager
def naming(what: str, advice: str) -> Iterator[None]:
    """Turns TensorFlow's and the system's errors about files into one for the user.

    Args:
        what: what was wanted and failed, e.g. "--vocab_file v.txt cannot be read".
        advice: a sentence on what to do, whatever the cause; a remedy for the cause stands before.

    Raises:
        FileError: "{what} ({reason}). {remedy} {advice}".
    """
    try:
        yield
    except ConnectionError:  # of a terminal or a worker, no file's
        raise
    except (tf.errors.OpError, OSError) as error:
        parts = (f"{what} ({reason(error)}).", remedy(error), advice)
        raise FileError(" ".join(part for part in parts if part)) from error


def reading(what: str) -> contextlib.AbstractContextManager[None]:
    """Turns errors about a file or folder that is to be read into a UserError, see `naming`."""
    advice = "It must be there and yours to read: mend or remove it, or give another."
    return naming(f"{what} cannot be read", advice)


def writing(
    what: str,
    advice: str = "Its folder must take files: mend that or give another, and run again.",
) -> contextlib.AbstractContextManager[None]:
    """Turns errors about a file or folder that is to be written into a UserError, see `naming`."""
    return naming(f"{what} cannot be written", advice)
