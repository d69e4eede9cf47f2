"""The folder in which a run keeps finished work, so that it can go on where it was stopped.

A run takes a new or an empty folder and marks it. Files there appear under their names only when
they are complete, and only files of these names are ever removed. A lock keeps a second run out.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock, removal
from tfrecords_tools.console import say
from tfrecords_tools.dataset.work_files import write_json

KIND = "work"  # of the mark
_SETTINGS_FILE = "settings.json"
_MADE_FOLDER = "made_folder"  # fact of the mark: the folder itself is ours too
_PARTIAL = r"(\.\d+\.partial)?"
_LOCK = re.escape(folder_lock.LOCK_FILE)
_SHARD = r"(train|heldout)-\d{5}-of-\d{5}\.tfrecord"
# Every file that a run writes here, and folders of these that are empty; `lock` is of old versions.
_OWN = re.compile(
    rf"{re.escape(removal.MARK_FILE)}|settings\.json{_PARTIAL}|lock"
    rf"|piece-\d{{6,}}\.json{_PARTIAL}|piece-\d{{6,}}/(tokens|sentences|documents)?"
    rf"|tokens/(tokens|sentences|documents|facts\.json{_PARTIAL})?"
    rf"|(train|heldout)-\d+/(pairs-\d{{9,}}\.(json|keys\.npy|pairs\.npy){_PARTIAL}"
    rf"|{_SHARD}\.json{_PARTIAL})?"
    rf"|{_LOCK}\.[0-9a-f]{{8}}"  # of one that was killed while it looked whether another lives
)
_OF_LOCK = re.compile(rf"{_LOCK}(\.[0-9a-f]{{8}})?")
_ADVICE = "Work needs a local folder: see to it, or give another --work_dir."


class Work:
    """A work folder that is this process's alone.

    Attributes:
        is_new: whether there is no finished work yet.
    """

    def __init__(self, folder: str, lock: folder_lock.Lock, *, is_new: bool):
        self.is_new = is_new
        self._folder, self._lock = folder, lock

    def clear(self) -> None:
        """Removes all work, and what says whose it is; says what else there is, which stays.

        Raises:
            UserError: another process took the folder.
        """
        self._lock.check()
        with _naming(self._folder):
            left = _foreign(removal.remove(_real(self._folder), owns, keeps_folder=True))
        if left:
            say(
                f"note: {self._folder} stays, with {removal.listed(left)}: only what this program "
                "wrote there was removed"
            )


def owns(path: str) -> bool:
    """Returns whether a run writes a file of this path in its work folder; locks are not meant."""
    return bool(_OWN.fullmatch(path))


def is_begun(folder: str) -> bool:
    """Returns whether a run has begun to work in a folder, of this version or the one before."""
    return os.path.isdir(folder) and (_is_marked(folder) or _is_of_version_before(folder))


def check(folder: str) -> None:
    """Checks that a run may work in a folder: it is new, empty or one that a run began. No trace.

    Raises:
        UserError: it is remote, no folder, or holds something else.
    """
    if "://" in folder:
        raise UserError(f"--work_dir {folder} is remote. {_ADVICE}")
    if not os.path.lexists(folder):
        return
    with file_errors.naming(f"the work folder {folder} cannot be looked into", _ADVICE):
        if not os.path.isdir(folder):
            raise UserError(f"the work folder {folder} is no folder. {_ADVICE}")
        names = _foreign(sorted(os.listdir(folder)))
        if names and not is_begun(folder) and not _is_remnant(folder):
            raise UserError(
                f"the work folder {folder} holds {removal.listed(names)}, not written by this "
                "program. Work files come and go there: give a new or an empty folder by "
                "--work_dir."
            )


@contextlib.contextmanager
def opened(folder: str, settings: Mapping[str, Any]) -> Iterator[Work]:
    """Makes or reopens the work folder of a run with these settings, for this process alone.

    Raises:
        UserError: another run works there, or it holds the work of other settings or something
            else, or the disk is full or the folder cannot be written to.
    """
    known = json.loads(json.dumps(settings))  # as they are read back
    with writing(folder):
        is_made = _make(folder)
        try:
            with folder_lock.held(folder, report=say) as lock:
                check(folder)
                is_made = is_made or _made_folder(folder)
                yield Work(folder, lock, is_new=_begin(folder, known, is_made=is_made))
        finally:
            if is_made and os.path.isdir(folder) and not os.listdir(folder):
                removal.remove(folder, owns)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Turns the system's errors about files in `folder` into a UserError."""
    try:
        yield
    except OSError:  # not TensorFlow's: of all that a run does, those may be our defects
        with _naming(folder):
            raise


def _naming(folder: str) -> contextlib.AbstractContextManager[None]:
    advice = f"{_ADVICE} Then run again: finished work is kept."
    return file_errors.naming(f"a file of the work in {folder} cannot be written", advice)


def _make(folder: str) -> bool:
    """Makes a folder; returns False where there is one."""
    os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    return True


def _begin(folder: str, settings: dict[str, Any], *, is_made: bool) -> bool:
    """Marks the folder and writes the settings; returns whether there is no work there yet."""
    path = os.path.join(folder, _SETTINGS_FILE)
    is_new = not os.path.exists(path) or not _is_readable(folder)
    if not is_new:
        _check_settings(_read_settings(path), settings, folder=folder)
    try:
        with _naming(folder):
            if not _is_marked(folder):
                removal.mark(folder, KIND, facts={_MADE_FOLDER: is_made})
            write_json(path, settings)
    except BaseException:
        if is_new:  # it would be told from a user's folder by nothing
            with contextlib.suppress(Exception):
                removal.remove(_real(folder), owns, keeps_folder=True)
        raise
    return is_new


def _is_readable(folder: str) -> bool:
    """Returns whether the settings of the work can be read; else removes the work and says so.

    Raises:
        UserError: there is something else beside it.
    """
    path = os.path.join(folder, _SETTINGS_FILE)
    try:
        _read_settings(path)
    except json_values.JsonValueError as error:
        foreign = _foreign(removal.foreign_files(_real(folder), owns))
        if foreign:
            raise UserError(
                f"{path} is damaged, so that nothing says whose work lies in {folder}: {error}. "
                f"And there is {removal.listed(foreign)}, not written by this program. Move that "
                "away to have the work begun anew, or give another --work_dir."
            ) from error
        say(f"{path} is damaged: {error}. The work begins anew.")
        removal.remove(
            _real(folder), lambda path: owns(path) and path != removal.MARK_FILE, keeps_folder=True
        )
        return False
    return True


def _read_settings(path: str) -> dict[str, Any]:
    """Returns the settings of unfinished work.

    Raises:
        mslt_tf.json_values.JsonValueError: they are damaged, or another program's.
    """
    with open(path, "rb") as file:
        settings = json_values.parse(dict[str, Any], json_values.loads(file.read()))
    for name in ("vocab_sha256", "on_error"):
        json_values.parse(str, settings.get(name), name=name)
    return settings


def _check_settings(found: Mapping[str, Any], settings: Mapping[str, Any], *, folder: str) -> None:
    if found.get("on_error") == "fail":  # what could be read so is read alike by "skip"
        found = {**found, "on_error": settings.get("on_error")}
    for name in sorted(settings.keys() | found.keys()):
        if settings.get(name) != found.get(name):
            raise UserError(
                f"{folder} holds unfinished work with {name} = {found.get(name)!r}, but "
                f"{settings.get(name)!r} is asked for. Run again with the former settings, remove "
                f"{folder}, or give another --output_dir."
            )


def _is_marked(folder: str) -> bool:
    return removal.read_mark(folder, KIND) is not None


def _made_folder(folder: str) -> bool:
    found = removal.read_mark(folder, KIND)
    return found is not None and found.facts.get(_MADE_FOLDER) is True


def _is_of_version_before(folder: str) -> bool:
    """Returns whether work lies here and nothing else; it was not marked formerly."""
    try:
        _read_settings(os.path.join(folder, _SETTINGS_FILE))
    except (OSError, json_values.JsonValueError):
        return False
    return _has_our_names(folder)


def _is_remnant(folder: str) -> bool:
    """Returns whether only files of ours lie here, with a damaged mark or all of them empty."""
    names = _foreign(os.listdir(folder))
    paths = (os.path.join(folder, name) for name in names)
    is_ours = removal.MARK_FILE in names or all(os.path.getsize(path) == 0 for path in paths)
    return is_ours and _has_our_names(folder)


def _has_our_names(folder: str) -> bool:
    names = _foreign(os.listdir(folder))
    # Only then below: it may be somebody's home, which has settings.json as well.
    return all(owns(name) or owns(f"{name}/") for name in names) and not _foreign(
        removal.foreign_files(_real(folder), owns)
    )


def _foreign(paths: list[str]) -> list[str]:
    """Returns the paths without those of the lock."""
    return [path for path in paths if not _OF_LOCK.fullmatch(path)]


def _real(folder: str) -> str:
    """Returns where the work is if --work_dir is a link; what is removed goes by no link."""
    return os.path.realpath(folder)
