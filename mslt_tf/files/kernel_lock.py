"""The kernel's lock on a local file (`flock`), which ends with its process, however that ends."""

import contextlib
import errno
import fcntl
import os
import socket
from pathlib import Path

_NO_LOCKS = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL)  # such as on some mounts


def take(path: str) -> int | None:
    """Locks a file, made if it is not there, and returns the descriptor that carries the lock.

    Returns:
        The descriptor, to be closed by the caller, which gives the lock up; None where the file
        system has no such locks.

    Raises:
        BlockingIOError: another process has it.
        OSError: the file cannot be opened for writing.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                return None
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                return descriptor
        os.close(descriptor)  # its holder removed it between the two calls


def is_taken(path: str) -> bool | None:
    """Returns whether a process of this machine has the lock; None where that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:  # without the right to read it
        return None
    try:
        # A shared one: NFS gives exclusive ones only to those who may write.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def machine() -> str:
    """Returns what processes have in common that see each other's locks: kernel and namespace."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            is_link = os.path.islink(path)
            parts.append(os.readlink(path) if is_link else Path(path).read_text().strip())
    return " ".join(parts)
