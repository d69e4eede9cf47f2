"""Files that must be new: they appear whole, never in the place of another, and stay."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable

import tensorflow as tf

from mslt_tf.files import file_errors, removal


def check_writable(path: str) -> None:
    """Checks that a file can be written to where `path` is to go, and leaves no trace.

    Raises:
        tensorflow.errors.OpError: it cannot.
    """
    probe = _unused_name(path)
    with tf.io.gfile.GFile(probe, "w") as file:
        file.write("")
    removal.remove_file(probe)


def make_output_dir(folder: str) -> None:
    """Makes the folder of --output_dir where it is not there, and checks that it takes files.

    Raises:
        UserError: it cannot be made, or not be written to.
    """
    advice = "Name one that can."
    with file_errors.naming(f"--output_dir {folder} cannot be written to", advice):
        tf.io.gfile.makedirs(folder)
        check_writable(os.path.join(folder, "file"))


def make_parent(path: str) -> None:
    """Makes the folder that `path` is to stand in, and checks that it can be written there.

    Raises:
        tensorflow.errors.OpError: it cannot.
    """
    if os.path.dirname(path):
        tf.io.gfile.makedirs(os.path.dirname(path))
    check_writable(path)


def write(path: str, content: str | bytes) -> str:
    """Writes a file that appears whole; where there is one already, that one stays.

    Returns:
        Where the content is: `path`, or a new name beside it if another file has that one.

    Raises:
        tensorflow.errors.OpError, OSError: it cannot be written or named.
    """
    temporary = _unused_name(path)
    try:
        with tf.io.gfile.GFile(temporary, "w") as file:
            file.write(content)
        has_name = _give_name(temporary, path)
    except BaseException:
        with contextlib.suppress(tf.errors.OpError):
            removal.remove_file(temporary)
        raise
    return path if has_name else temporary


def _unused_name(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f"partial.{os.getpid()}.{secrets.token_hex(8)}.{name}")


def _give_name(temporary: str, path: str) -> bool:
    """Renames a file unless there is one of the new name; returns whether it did."""
    if "://" in path:
        if tf.io.gfile.exists(path):
            return False
        tf.io.gfile.rename(temporary, path)
        return True
    try:
        os.link(temporary, path)  # fails where there is something, unlike a renaming
    except FileExistsError:
        return False
    except OSError:  # a disk without links
        return _take_name(temporary, path)
    removal.remove_file(temporary)
    return True


def _take_name(temporary: str, path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    os.replace(temporary, path)  # the empty file of just now
    return True


def flush(paths: Iterable[str]) -> None:
    """Makes local files and folders outlast a power cut.

    Elsewhere nothing is to be done: such stores confirm what they keep.

    Raises:
        OSError: the disk does not take what was written.
    """
    for path in paths:
        if not os.path.exists(path):
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # mounts that know no fsync
                raise
        finally:
            os.close(descriptor)
