"""What is removed or replaced: only what this program made. Nothing else removes a folder.

A folder that it made carries a mark that lists its files, or has names that nothing else gives
(`owns`). A file in it that is not ours stays, with the folder around it.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors

MARK_FILE = "made_by_mslt_tf.json"

# Takes the path of a file, relative to the folder asked about; says whether this program wrote it.
# The path of an empty folder ends with "/".
Owns = Callable[[str], bool]


@dataclasses.dataclass(frozen=True)
class Mark:
    """What stands in a folder that this program made."""

    kind: str  # what the folder is, such as "export"
    files: tuple[str, ...] = ()  # relative paths of all it was made with
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def owns(self, path: str) -> bool:
        """Returns whether a file, by its relative path, was there when the folder was marked."""
        return path == MARK_FILE or path in self.files


def mark(folder: str, kind: str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Writes into a folder that this program made all that is in it.

    Raises:
        tensorflow.errors.OpError: it cannot be written.
    """
    files = tuple(path for path in paths_below(folder) if path != MARK_FILE)
    content = dataclasses.asdict(Mark(kind, files, facts or {}))
    with tf.io.gfile.GFile(os.path.join(folder, MARK_FILE), "w") as file:
        file.write(json.dumps(content, indent=1) + "\n")


def read_mark(folder: str, kind: str) -> Mark | None:
    """Returns the mark of a folder; None where there is none of this kind, or a damaged one."""
    path = os.path.join(folder, MARK_FILE)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file, contextlib.suppress(json_values.JsonValueError):
        found = json_values.parse(Mark, json_values.loads(file.read()))
        return found if found.kind == kind else None
    return None


def paths_below(folder: str) -> Iterator[str]:
    """Yields the relative paths of all files below a folder, sorted; links are not followed.

    And of the empty folders, with "/" at their end.
    """
    for name in sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder)):
        path = os.path.join(folder, name)
        if tf.io.gfile.isdir(path) and not os.path.islink(path):
            below = list(paths_below(path))
            yield from (f"{name}/{part}" for part in below or ("",))
        else:
            yield name


def foreign_files(folder: str, owns: Owns) -> list[str]:
    """Returns the relative paths of the files below a folder that are not ours."""
    return [path for path in paths_below(folder) if not owns(path)]


def remove(folder: str, owns: Owns, *, keeps_folder: bool = False) -> list[str]:
    """Removes what is ours in a folder, and the folder unless something else is in it.

    Args:
        folder: where to remove; a link, or one that is not there, is left as it is.
        owns: tells what is ours. A mark goes last, so that a half-removed folder is known as ours.
        keeps_folder: keeps it even when it is empty, as somebody else made it.

    Returns:
        The relative paths of what was left, as it is not ours.

    Raises:
        tensorflow.errors.OpError: a file of ours cannot be removed.
    """
    if os.path.islink(folder) or not tf.io.gfile.isdir(folder):
        return []
    paths = list(paths_below(folder))
    owned = [path for path in paths if owns(path)]
    for path in sorted(owned, key=lambda path: path == MARK_FILE):
        if not path.endswith("/"):
            tf.io.gfile.remove(os.path.join(folder, path))
    emptied = {parent for path in owned for parent in _parents(path)}
    for parent in sorted(emptied, key=len, reverse=True):  # the inner ones first
        _remove_empty(os.path.join(folder, parent))
    if not keeps_folder:
        _remove_empty(folder)
    return [path for path in paths if not owns(path)]


def remove_file(path: str) -> None:
    """Removes one file that has a name which nothing else gives; of a link, only the link.

    Raises:
        tensorflow.errors.OpError: it is not there, is a folder, or cannot be removed.
    """
    tf.io.gfile.remove(path)


def replace(new: str, path: str, kind: str) -> None:
    """Gives a marked folder its place; the one there before stays whole until then.

    Args:
        new: `partial_path(path)`, a complete folder marked with `kind`.
        path: where it goes; what is there is removed after it, if it is a marked folder as well.
        kind: of both marks.

    Raises:
        UserError: something that is not ours is in the way.
        tensorflow.errors.OpError: a file cannot be moved or removed.
    """
    check_replaceable(path, kind)
    before = _before_path(path)
    remove_marked(before, kind)  # a kill in the midst of this function left it
    if tf.io.gfile.exists(path):
        tf.io.gfile.rename(path, before)
    tf.io.gfile.rename(new, path)
    remove_marked(before, kind)


def partial_path(path: str) -> str:
    """Returns where a file or folder is written until it is complete: a name that nobody else has.

    >>> partial_path("runs/base/export")
    'runs/base/.export.partial_of_mslt_tf'
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.partial_of_mslt_tf")


def _before_path(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.before_of_mslt_tf")


def remove_marked(folder: str, kind: str) -> None:
    """Removes a folder that carries our mark; leaves any other, and what is not ours in it."""
    found = read_mark(folder, kind)
    if found:
        remove(folder, found.owns)


def check_replaceable(path: str, kind: str) -> None:
    """Checks that nothing is at `path`, or a folder of ours with nothing else in it.

    Raises:
        UserError: something else is there; it is named.
    """
    if not tf.io.gfile.exists(path) and not os.path.islink(path):
        return
    advice = f"The {kind} is to be written there. Move it away, or give another --output_dir."
    with file_errors.naming(f"{path} cannot be looked into", advice):
        if os.path.islink(path) or not tf.io.gfile.isdir(path):
            raise UserError(f"{path} is no folder of this program's. {advice}")
        found = read_mark(path, kind)
        # Without a mark its first names tell enough: below may lie a whole disk.
        foreign = foreign_files(path, found.owns) if found else sorted(tf.io.gfile.listdir(path))
    if foreign or not found:
        if not foreign:
            raise UserError(
                f"{path} is an empty folder that this program did not make. The {kind} is to be "
                "written there. Remove it, or give another --output_dir."
            )
        raise UserError(f"{path} holds {listed(foreign)}, not written by this program. {advice}")


def listed(paths: Sequence[str]) -> str:
    """Returns paths, at least one, as messages show them.

    >>> listed(["a", "b/c", "d"])
    'a and 2 more'
    """
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _parents(path: str) -> Iterator[str]:
    """Yields the folders of a relative path: "a" and "a/b" of "a/b/c"."""
    for index, character in enumerate(path):
        if character == "/":
            yield path[:index]


def _remove_empty(folder: str) -> None:
    if os.path.isdir(folder):
        with contextlib.suppress(OSError):  # something else is in it: it stays
            os.rmdir(folder)
    elif tf.io.gfile.isdir(folder) and not tf.io.gfile.listdir(folder):
        tf.io.gfile.rmtree(folder)
