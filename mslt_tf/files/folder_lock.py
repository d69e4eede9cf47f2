"""One program at a time in a folder, on one machine or on several that share its disk.

The lock is a file that names its holder. On one machine the kernel tells whether the holder lives
(`flock`); to others a holder shows that it lives by touching the file every few seconds. Ages are
differences of times that the file system gave, as the clocks of two machines differ.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, kernel_lock, removal

LOCK_FILE = ".lock_of_mslt_tf.json"
BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0  # a holder that gave no sign for so long is taken for dead

Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that works in a folder."""

    host: str
    machine: str  # the same for processes that see each other
    process: int
    started: str  # when it took the folder, UTC
    token: str  # another one each time

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.started}"


class Lock:
    """A folder that this process holds, and the signs that it lives."""

    def __init__(self, folder: str, own: Holder):
        self._folder, self._own = folder, own
        self._last_sign = time.time()  # not monotonic: that clock may stand while a machine sleeps

    def check(self) -> None:
        """Checks that no other process took the folder, as after hours in which this one slept.

        A lock that cannot be read for now says nothing, and passes.

        Raises:
            UserError: names who holds it now, if that one has not ended meanwhile.
        """
        with contextlib.suppress(tf.errors.OpError, OSError):
            found = read_holder(self._folder)
            if self._is_lost(found):
                raise UserError(
                    f"{self._folder} was taken over by {found or 'a process that has ended'}: this "
                    f"process gave no sign for {STALE_SECONDS:.0f} s. Nothing more is written "
                    "there. End one of the two."
                )

    def give_sign(self) -> bool:
        """Shows others that this process lives; returns False if the folder is another's now.

        Raises:
            tensorflow.errors.OpError: the disk does not answer.
            OSError: the same.
        """
        if self._is_lost(read_holder(self._folder)):
            return False
        _write(self._folder, self._own)
        self._last_sign = time.time()
        return True

    def _is_lost(self, found: Holder | None) -> bool:
        if found:
            return found.token != self._own.token
        # Who took it over may have ended. Without such a pause somebody removed the file.
        is_stale = time.time() - self._last_sign > STALE_SECONDS
        return is_stale and not tf.io.gfile.exists(_path(self._folder))


@contextlib.contextmanager
def held(folder: str, *, report: Report) -> Iterator[Lock]:
    """Keeps every other process of this program out of an existing folder while entered.

    Args:
        folder: local or remote.
        report: takes a line when it has to be waited to see whether another holder lives.

    Raises:
        UserError: another process works there, or the folder cannot be written to.
    """
    with file_errors.naming(f"{folder} cannot be locked", "It must be a folder that takes files."):
        descriptor = _take(folder, report)
        own = _own_holder()
        try:
            _write(folder, own)
            _check_first(folder, own)
        except BaseException:  # or this process would be in its own way at the next try
            _release(folder, own, descriptor)
            raise
    ended = threading.Event()
    lock = Lock(folder, own)
    beat = threading.Thread(target=_beat, args=(lock, ended), daemon=True)
    beat.start()
    try:
        yield lock
    finally:
        ended.set()
        beat.join()
        _release(folder, own, descriptor)


def check_free(folder: str) -> None:
    """Checks that no other process works in a folder, and leaves no trace in it.

    Raises:
        UserError: one does, or may.
    """
    with file_errors.naming(f"{folder} cannot be looked into", "It must be a folder."):
        found = read_holder(folder)
        if found is None:
            return
        is_here = found.machine == kernel_lock.machine() and os.path.isdir(folder)
        is_alive = kernel_lock.is_taken(_path(folder)) if is_here else None
        if is_alive or (is_alive is None and abs(_age(folder)) < STALE_SECONDS):
            raise _in_use(folder, found)


def remove_dead(folder: str) -> None:
    """Removes the lock that a killed process of this machine left, where that can be."""
    found = read_holder(folder)
    if found and found.machine == kernel_lock.machine():
        # Leaving it removes it. Not where the holder lives, or the folder takes no changes.
        with contextlib.suppress(UserError), held(folder, report=lambda line: None):
            pass


def release_all() -> None:
    """Gives up all folders, before an end at once that runs nothing else."""
    for folder, own in list(_holding.items()):
        _forget(folder, own)


def read_holder(folder: str) -> Holder | None:
    """Returns who holds a folder, or held it and did not end in an orderly way."""
    try:
        with tf.io.gfile.GFile(_path(folder), "rb") as file:
            return json_values.parse(Holder, json_values.loads(file.read()))
    except (tf.errors.NotFoundError, json_values.JsonValueError):
        return None


_holding: dict[str, Holder] = {}  # folders of this process, by path


def _take(folder: str, report: Report) -> int | None:
    """Returns the descriptor that carries the kernel's lock; None where there is no such lock."""
    try:
        descriptor = kernel_lock.take(_path(folder)) if os.path.isdir(folder) else None
    except BlockingIOError:
        raise _in_use(folder, read_holder(folder)) from None
    try:
        found = read_holder(folder)
        # With the kernel's lock in hand, a holder of this machine is dead.
        if found and (found.machine != kernel_lock.machine() or descriptor is None):
            _wait_until_stale(folder, found, report)
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise
    return descriptor


def _wait_until_stale(folder: str, holder: Holder, report: Report) -> None:
    """Returns when the holder has given no sign for long enough.

    Raises:
        UserError: it has given one.
    """
    seen = _modified(_path(folder))
    left = STALE_SECONDS - max(_age(folder), 0.0)  # less than 0 where a clock was set back
    if left > 0:
        report(f"{folder} may be in use by {holder}; watching up to {left:.0f} s for a sign of it")
    deadline = time.monotonic() + left
    while time.monotonic() < deadline:
        time.sleep(min(1.0, BEAT_SECONDS / 4))
        if not tf.io.gfile.exists(_path(folder)):
            return  # it ended in an orderly way
        if _modified(_path(folder)) != seen:
            raise _in_use(folder, holder)
    report(f"{holder} gave no sign for {STALE_SECONDS:.0f} s: taken for dead")


def _in_use(folder: str, holder: Holder | None) -> UserError:
    who = str(holder) if holder else "another process, which has just begun"
    return UserError(
        f"{folder} is in use by {who}. Two at once would spoil each other's files: wait for its "
        "end, end it, or give another folder."
    )


def _beat(lock: Lock, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        # A disk that does not answer for a while must not end the run, nor this thread.
        with contextlib.suppress(tf.errors.OpError, OSError):
            if not lock.give_sign():
                return


def _release(folder: str, own: Holder, descriptor: int | None) -> None:
    with contextlib.suppress(tf.errors.OpError, OSError):  # what was done in the folder is done
        _forget(folder, own)
    if descriptor is not None:
        os.close(descriptor)


def _forget(folder: str, own: Holder) -> None:
    _holding.pop(folder, None)
    found = read_holder(folder)
    if found and found.token == own.token:
        removal.remove_file(_path(folder))


def _write(folder: str, own: Holder) -> None:
    """Writes the lock's file in place: a new file would not carry the kernel's lock."""
    _holding[folder] = own
    text = json.dumps(dataclasses.asdict(own), indent=1) + "\n"
    if os.path.isdir(folder):
        with open(_path(folder), "r+" if os.path.exists(_path(folder)) else "w") as file:
            file.write(text)
            file.truncate()
    else:
        with tf.io.gfile.GFile(_path(folder), "w") as file:
            file.write(text)


def _check_first(folder: str, own: Holder) -> None:
    """Checks that no other process wrote after this one, where no kernel decides who is first."""
    found = read_holder(folder)
    if found and found.token != own.token:
        raise _in_use(folder, found)


def _own_holder() -> Holder:
    return Holder(
        host=socket.gethostname(),
        machine=kernel_lock.machine(),
        process=os.getpid(),
        started=datetime.datetime.now(datetime.UTC).isoformat(" ", "seconds"),
        token=secrets.token_hex(8),
    )


def _age(folder: str) -> float:
    """Returns how long ago the holder gave a sign, in seconds by the file system's own clock."""
    probe = f"{_path(folder)}.{secrets.token_hex(4)}"
    with tf.io.gfile.GFile(probe, "w") as file:
        file.write("")
    try:
        return _modified(probe) - _modified(_path(folder))
    finally:
        removal.remove_file(probe)


def _modified(path: str) -> float:
    return float(tf.io.gfile.stat(path).mtime_nsec) / 1e9


def _path(folder: str) -> str:
    return os.path.join(folder, LOCK_FILE)
