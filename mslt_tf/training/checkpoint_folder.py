"""The folder `checkpoints/` of a run: what in it is a checkpoint of ours, and which of them go.

A checkpoint is a folder `step-00001234`, one half written `tmp-00001234`; both names are exact.
Whatever else lies there, such as a copy that somebody made under a name of his own, is neither
read nor removed.
"""

import itertools
import os
import re
from collections.abc import Callable, Collection

import tensorflow as tf

from mslt_tf.files import removal

_STEP, _TEMPORARY = "step-", "tmp-"
# All that a checkpoint's folder holds; `variables_temp` is TensorFlow's while it writes.
_FILES = re.compile(r"state\.json|variables\.[^/]*|variables_temp/.*")


def path_of(folder: str, step: int) -> str:
    """Returns where the checkpoint of a step lies."""
    return os.path.join(folder, f"{_STEP}{step:08d}")


def temporary_path_of(folder: str, step: int) -> str:
    """Returns where the checkpoint of a step is written until it is complete."""
    return os.path.join(folder, f"{_TEMPORARY}{step:08d}")


def steps(folder: str) -> list[int]:
    """Returns the steps of all folders that have a checkpoint's name, ascending.

    Raises:
        tensorflow.errors.OpError: it cannot be told, as for want of rights.
    """
    return _numbers(folder, _STEP)


def clear_unfinished(folder: str) -> None:
    """Removes what half-written checkpoints and interrupted removals left behind.

    Raises:
        tensorflow.errors.OpError: it cannot be removed.
    """
    for step in _numbers(folder, _TEMPORARY):
        removal.remove(temporary_path_of(folder, step), _is_ours)


def make_way(folder: str, step: int, *, report: Callable[[str], None]) -> None:
    """Removes a checkpoint of this step, which was passed over or is written anew.

    What somebody else put into its folder is kept under another name.

    Raises:
        tensorflow.errors.OpError: it cannot be removed.
    """
    path = path_of(folder, step)
    if os.path.islink(path) or removal.remove(path, _is_ours):
        names = (f"{path}.kept{number or ''}" for number in itertools.count())
        kept = next(name for name in names if not os.path.lexists(name))
        tf.io.gfile.rename(path, kept)
        report(f"note: {path} was in the way, and not all of it ours; the rest is {kept} now")


def remove_all(folder: str, *, report: Callable[[str], None]) -> None:
    """Removes all checkpoints: of a run that no later start continues.

    Args:
        folder: of the checkpoints.
        report: takes a line about one that is not removed, as it holds files that are not ours.

    Raises:
        tensorflow.errors.OpError: one cannot be removed.
    """
    for step in steps(folder):
        _remove(folder, step, report)


def remove_old(
    folder: str,
    *,
    newest: int,
    num_kept: int,
    kept_steps: Collection[int],
    report: Callable[[str], None],
) -> None:
    """Removes all but the newest checkpoints.

    Args:
        folder: of the checkpoints.
        newest: step of the one just written; later ones were passed over and do not count.
        num_kept: how many stay, this one among them.
        kept_steps: steps whose checkpoints stay beside these.
        report: takes a line about one that is not removed, as it holds files that are not ours.

    Raises:
        tensorflow.errors.OpError: one cannot be removed.
    """
    older = [step for step in steps(folder) if step <= newest]
    for step in older[:-num_kept]:
        if step in kept_steps:
            continue
        _remove(folder, step, report)


def _remove(folder: str, step: int, report: Callable[[str], None]) -> None:
    """Removes a checkpoint, unless it is a link, protected or holds files that are not ours."""
    path = path_of(folder, step)
    if os.path.islink(path):
        report(f"note: {path} is kept, as it is a link")
        return
    foreign = removal.foreign_files(path, _is_ours)
    if foreign:
        report(f"note: {path} is kept, as it holds {foreign[0]}, which is no checkpoint's file")
        return
    if os.path.isdir(path) and not os.access(path, os.W_OK):
        report(f"note: {path} is kept, as it is write-protected")
        return
    # First its name: a kill in the midst must not leave half a checkpoint that looks like one.
    temporary = temporary_path_of(folder, step)
    tf.io.gfile.rename(path, temporary)
    removal.remove(temporary, _is_ours)


def _is_ours(path: str) -> bool:
    return _FILES.fullmatch(path) is not None


def _numbers(folder: str, prefix: str) -> list[int]:
    """Returns the numbers of the folders called by prefix and number, as this program does it."""
    if not _is_folder(folder):
        return []
    found = []
    for name in tf.io.gfile.listdir(folder):
        name = name.rstrip("/")
        digits = name.removeprefix(prefix)
        is_number = digits.isascii() and digits.isdecimal()
        is_ours = is_number and name == f"{prefix}{int(digits):08d}"
        if is_ours and _is_folder(os.path.join(folder, name)):
            found.append(int(digits))
    return sorted(found)


def _is_folder(path: str) -> bool:
    """Returns whether a folder is there; unlike `isdir`, not False where that cannot be told."""
    try:
        return bool(tf.io.gfile.stat(path).is_directory)
    except (tf.errors.NotFoundError, tf.errors.FailedPreconditionError):  # or below a file
        return False
