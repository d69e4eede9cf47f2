"""Files and folders: local ones by the operating system, remote ones by tf.io.gfile.

Of local ones, TensorFlow takes no name that is not UTF-8, and tells no pipe from a file.
"""

import dataclasses
import errno
import os
import re
import stat
from typing import BinaryIO, Literal, cast

import tensorflow as tf

_LOCAL = "file://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

ERRORS = (OSError, tf.errors.OpError)  # that say why a path cannot be read

Kind = Literal["file", "folder", "a pipe", "a socket", "a device"]


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What the file system says of a path.

    Attributes:
        kind: what it is, or what its link leads to.
        is_link: whether a link leads there.
        num_bytes: size of a file.
        modified: when a file was written to, in nanoseconds.
        inode: of a file with several names on its disk, device and number there.
    """

    kind: Kind
    is_link: bool = False
    num_bytes: int = 0
    modified: int = 0
    inode: tuple[int, int] | None = None


def is_remote(path: str) -> bool:
    """Returns whether a path is for tf.io.gfile to read.

    >>> [is_remote(path) for path in ("gs://bucket/a", "file:///tmp/a", "a/b")]
    [True, False, False]
    """
    return bool(_SCHEME.match(path)) and not path.startswith(_LOCAL)


def real_path(path: str) -> str:
    """Returns a path without links, `..` and a slash at its end; a remote one as it is."""
    return path.rstrip("/") if is_remote(path) else os.path.realpath(_local(path))


def join(folder: str, name: str) -> str:
    """Returns the path of a name in a folder; "" is the current one.

    >>> join("", "a"), join("/", "a"), join("gs://bucket/", "a")
    ('a', '/a', 'gs://bucket/a')
    """
    return f"{folder.rstrip('/')}/{name}" if folder else name


def exists(path: str) -> bool:
    """Returns whether there is something of this name, if only a link to nowhere.

    Raises:
        OSError, tensorflow.errors.OpError: nobody may look there.
    """
    if is_remote(path):
        return bool(tf.io.gfile.exists(path))
    try:
        os.lstat(_local(path))
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise
    except ValueError:  # a NUL, which is in no name
        return False
    return True


def look_at(path: str) -> Look:
    """Returns what is at a path.

    Raises:
        OSError, tensorflow.errors.OpError: it is not there, or a link leads nowhere.
    """
    if is_remote(path):
        if tf.io.gfile.isdir(path):
            return Look("folder")
        remote = tf.io.gfile.stat(path)
        return Look("file", num_bytes=remote.length, modified=remote.mtime_nsec)
    path = _local(path)
    found = os.lstat(path)
    is_link = stat.S_ISLNK(found.st_mode)
    if is_link:
        found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        return Look("folder", is_link)
    if not stat.S_ISREG(found.st_mode):
        return Look(cast("Kind", _SPECIAL[stat.S_IFMT(found.st_mode)]), is_link)
    # Some network disks number no files.
    has_names = found.st_nlink > 1 and found.st_ino > 0
    inode = (found.st_dev, found.st_ino) if has_names else None
    return Look("file", is_link, num_bytes=found.st_size, modified=found.st_mtime_ns, inode=inode)


def check_rights(path: str) -> None:
    """Checks that the rights of a local file let this process read it; a remote one may tell later.

    Raises:
        PermissionError: they do not.
    """
    if not is_remote(path) and not os.access(_local(path), os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def is_folder(path: str) -> bool:
    """Returns whether a path leads to a folder; "" is the current one."""
    return tf.io.gfile.isdir(path) if is_remote(path) else os.path.isdir(_local(path))


def list_names(folder: str) -> list[str]:
    """Returns the names of what is in a folder, sorted; "" is the current one.

    Raises:
        OSError, tensorflow.errors.OpError: it cannot be read.
    """
    if is_remote(folder):  # gs:// puts a slash behind the names of folders
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    return sorted(os.listdir(_local(folder)))


def open_file(path: str) -> BinaryIO:
    """Opens a file to read its bytes.

    Raises:
        OSError, tensorflow.errors.OpError: it cannot be; of a remote one, reading may tell.
    """
    if is_remote(path):
        return cast("BinaryIO", tf.io.gfile.GFile(path, "rb"))
    return open(_local(path), "rb")


def _local(path: str) -> str:
    return path.removeprefix(_LOCAL) or "."
