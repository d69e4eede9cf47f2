"""The folder in which a run keeps finished work, so that it can go on where it was stopped.

A run takes a new or an empty folder and marks it. Files there appear under their names only when
they are complete, and only files of these names are ever removed. A lock keeps a second run out.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, folder_lock, removal
from mslt_tf.terminal import say
from tfrecords_tools.dataset import work_settings

KIND = "work"  # of the mark
_MADE_FOLDER = "made_folder"  # fact of the mark: the folder itself is ours too
_PARTIAL = r"(\.\d+\.partial)?"
_LOCK = re.escape(folder_lock.LOCK_FILE)
_SHARD = r"(train|heldout)-\d{5}-of-\d{5}\.tfrecord"
# Every file that a run writes here, and folders of these that are empty; `lock` is of old versions.
_OWN = re.compile(
    rf"{re.escape(removal.MARK_FILE)}|settings\.json{_PARTIAL}|lock"
    rf"|piece-\d{{6,}}\.json{_PARTIAL}|piece-\d{{6,}}/(tokens|sentences|documents|hashes)?"
    rf"|tokens/(tokens|sentences|documents|repeats|facts\.json{_PARTIAL})?"
    rf"|(train|heldout)-\d+/(pairs-\d{{9,}}\.(json|keys\.npy|pairs\.npy){_PARTIAL}"
    rf"|{_SHARD}\.json{_PARTIAL})?"
    rf"|{_LOCK}\.[0-9a-f]{{8}}"  # of one that was killed while it looked whether another lives
)
_RESULT = re.compile(r"piece-\d{6,}\.json")  # the first finished work, which stays to the end
_OF_LOCK = re.compile(rf"{_LOCK}(\.[0-9a-f]{{8}})?")
_ADVICE = "Work needs a local folder: see to it, or give another --work_dir."
_GO_ON = f"{_ADVICE} Then run again: finished work is kept."


class Work:
    """A work folder that is this process's alone.

    Attributes:
        is_new: whether there is no finished work yet.
    """

    def __init__(
        self, folder: str, lock: folder_lock.Lock, settings: Mapping[str, Any], *, is_new: bool
    ):
        self.is_new = is_new
        self._folder, self._lock, self._settings = folder, lock, settings

    @property
    def has_results(self) -> bool:
        """Whether there is finished work."""
        return _has_results(self._folder)

    def refuse(self, input_state: str) -> None:
        """Notes that text or settings were refused, so that mended ones may begin anew.

        Args:
            input_state: what will be another text if the input is changed.

        Raises:
            UserError: another process took the folder, or it cannot be written to.
        """
        self._lock.check()
        with file_errors.writing(f"the work folder {self._folder}", _GO_ON):
            work_settings.write(self._folder, self._settings, refused_input=input_state)

    def clear(self) -> None:
        """Removes all work, and what says whose it is; says what else there is, which stays.

        Raises:
            UserError: another process took the folder.
        """
        self._lock.check()
        with file_errors.writing(f"the work folder {self._folder}", _GO_ON):
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
def opened(
    folder: str, settings: Mapping[str, Any], *, input_state: Callable[[], str] = lambda: ""
) -> Iterator[Work]:
    """Makes or reopens the work folder of a run with these settings, for this process alone.

    Args:
        folder: where to work.
        settings: what finished work depends on.
        input_state: returns the state of the input, see `Work.refuse`.

    Raises:
        UserError: another run works there, or it holds the work of other settings or something
            else, or the disk is full or the folder cannot be written to.
    """
    with writing(folder):
        is_made = _make(folder)
        try:
            with folder_lock.held(folder, report=say) as lock:
                check(folder)
                is_made = is_made or _made_folder(folder)
                is_new = not _can_go_on(folder, settings, input_state)
                _begin(folder, settings, is_new=is_new, is_made=is_made)
                yield Work(folder, lock, settings, is_new=is_new)
        finally:
            if is_made and os.path.isdir(folder) and not os.listdir(folder):
                removal.remove(folder, owns)


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Turns the system's errors about files in `folder` into a UserError."""
    try:
        yield
    except OSError:  # not TensorFlow's: of all that a run does, those may be our defects
        with file_errors.writing(f"the work folder {folder}", _GO_ON):
            raise


def _make(folder: str) -> bool:
    """Makes a folder; returns False where there is one."""
    os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    return True


def _begin(folder: str, settings: Mapping[str, Any], *, is_new: bool, is_made: bool) -> None:
    """Marks the folder and writes the settings."""
    try:
        with file_errors.writing(f"the work folder {folder}", _GO_ON):
            if not _is_marked(folder):
                removal.mark(folder, KIND, facts={_MADE_FOLDER: is_made})
            work_settings.write(folder, settings)
    except BaseException:
        if is_new:  # it would be told from a user's folder by nothing
            with contextlib.suppress(Exception):
                removal.remove(_real(folder), owns, keeps_folder=True)
        raise


def _can_go_on(folder: str, settings: Mapping[str, Any], input_state: Callable[[], str]) -> bool:
    """Returns whether there is work that these settings can go on with; else makes room for it.

    Raises:
        UserError: there is finished work of other settings, which nobody refused; or the settings
            of the work are damaged, and there is something else beside it.
    """
    if not os.path.exists(work_settings.path_in(folder)):
        return False
    try:
        begun = work_settings.read(folder)
    except json_values.JsonValueError as error:
        _check_no_foreign(folder, error)
        _remove_work(folder, f"{work_settings.path_in(folder)} is damaged: {error}.")
        return False
    difference = begun.find_difference(settings)
    if not difference and begun.refused_input in (None, input_state()):
        return True
    if not _has_results(folder):
        _remove_work(folder)
    elif begun.refused_input is not None:
        change = f"has {_describe(difference)}" if difference else "its text was changed since"
        _remove_work(folder, f"the unfinished work in {folder} ended at a mistake and {change}.")
    elif difference:
        raise UserError(
            f"{folder} holds unfinished work with {_describe(difference)}. Run again with the "
            f"former settings, remove {folder}, or give another --output_dir."
        )
    return False


def _describe(difference: work_settings.Difference) -> str:
    name, found, wanted = difference
    return f"{name} = {found!r}, but {wanted!r} is asked for"


def _has_results(folder: str) -> bool:
    return any(map(_RESULT.fullmatch, os.listdir(folder)))


def _remove_work(folder: str, reason: str = "") -> None:
    """Removes all work but the mark, and says why if there is a reason."""
    if reason:
        say(f"{reason} The work begins anew.")
    removal.remove(
        _real(folder), lambda path: owns(path) and path != removal.MARK_FILE, keeps_folder=True
    )


def _check_no_foreign(folder: str, error: json_values.JsonValueError) -> None:
    """Checks that there is nothing beside work of which nobody can tell whose it is."""
    foreign = _foreign(removal.foreign_files(_real(folder), owns))
    if foreign:
        raise UserError(
            f"{work_settings.path_in(folder)} is damaged, so that nothing says whose work lies in "
            f"{folder}: {error}. And there is {removal.listed(foreign)}, not written by this "
            "program. Move that away to have the work begun anew, or give another --work_dir."
        ) from error


def _is_marked(folder: str) -> bool:
    return removal.read_mark(folder, KIND) is not None


def _made_folder(folder: str) -> bool:
    found = removal.read_mark(folder, KIND)
    return found is not None and found.facts.get(_MADE_FOLDER) is True


def _is_of_version_before(folder: str) -> bool:
    """Returns whether work lies here and nothing else; it was not marked formerly."""
    try:
        work_settings.read(folder)
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
