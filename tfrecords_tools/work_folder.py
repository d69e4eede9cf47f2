"""The folder in which a run keeps finished work, so that it can go on where it was stopped.

Every file there appears under its name only when it is complete. A lock keeps a second run out.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from mslt_tf.errors import UserError

_SETTINGS_FILE = "settings.json"
_LOCK_FILE = "lock"


@contextlib.contextmanager
def opened(folder: str, settings: dict[str, Any]) -> Iterator[bool]:
    """Makes or reopens the work folder of a run with these settings, for this process alone.

    Yields whether it is a new one, without work.

    Raises:
        UserError: another run works there, or it holds the work of other settings, or the disk is
            full or the folder cannot be written to.
    """
    settings = json.loads(json.dumps(settings))  # as they are read back
    with writing(folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, _LOCK_FILE), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another run is at work in {folder}. Wait for its end, or give another "
                    "--output_dir."
                ) from None
            path = os.path.join(folder, _SETTINGS_FILE)
            is_new = not os.path.exists(path)
            if not is_new:
                _check_settings(read_json(path), settings, folder=folder)
            write_json(path, settings)
            yield is_new


def remove(folder: str) -> None:
    """Removes a work folder, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def clear(folder: str) -> None:
    """Removes all work, and what says whose it is; the lock stays."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif name != _LOCK_FILE:
            os.remove(path)


def _check_settings(found: dict[str, Any], settings: dict[str, Any], *, folder: str) -> None:
    if found.get("on_error") == "fail":  # what could be read so is read alike by "skip"
        found = {**found, "on_error": settings.get("on_error")}
    for name in sorted(settings.keys() | found.keys()):
        if settings.get(name) != found.get(name):
            raise UserError(
                f"{folder} holds unfinished work with {name} = {found.get(name)!r}, but "
                f"{settings.get(name)!r} is asked for. Run again with the former settings, remove "
                f"{folder}, or give another --output_dir."
            )


def write_json(path: str, content: Any) -> None:
    """Writes a JSON file that appears whole or not at all."""
    temporary = f"{path}.{os.getpid()}.partial"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    os.replace(temporary, path)


def read_json(path: str) -> Any:
    """Returns the content of a JSON file."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Turns the system's errors about files in `folder` into a UserError."""
    try:
        yield
    except ConnectionError:  # of a terminal or a worker, no file's
        raise
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "make room" if is_full else "mend that, or give another --work_dir"
        raise UserError(
            f"{error.filename or folder} cannot be written: {error.strerror}. Work needs a local "
            f"folder: {what}, and run again; finished work is kept."
        ) from error
