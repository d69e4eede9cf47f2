"""Folders that are whole or absent: written under a temporary name, marked, then put in place."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, new_file, removal
from mslt_tf.files.removal import Owns


def check_place(path: str, kind: str, owns: Owns) -> None:
    """Checks that a folder may be published at `path`: only one of ours may be there.

    Raises:
        UserError: something else is, there or where it is written first; it is named.
    """
    removal.check_replaceable(path, kind)
    temporary = removal.partial_path(path)
    foreign = removal.foreign_files(temporary, owns) if tf.io.gfile.isdir(temporary) else []
    if foreign:
        raise UserError(
            f"{temporary} holds {foreign[0]}, not written by this program. The {kind} is to be "
            "written there first. Move it away, or give another --output_dir."
        )


def publish(
    path: str,
    kind: str,
    write: Callable[[str], None],
    *,
    owns: Owns,
    facts: Mapping[str, Any] | None = None,
    advice: str,
) -> None:
    """Writes a folder to `path`; one of ours that is there stays until the new one is whole.

    Args:
        path: where it goes.
        kind: what it is, for its mark and for messages.
        write: writes its files into a folder that is not there yet.
        owns: tells which files `write` may write; what a kill left half written is known by it.
        facts: JSON values for the mark.
        advice: what to do when it cannot be written.

    Raises:
        UserError: something else lies at `path`, or the folder cannot be written to.
    """
    check_place(path, kind, owns)
    with file_errors.naming(f"the {kind} cannot be written to {path}", advice):
        temporary = removal.partial_path(path)
        removal.remove(temporary, owns)  # half written
        write(temporary)
        removal.mark(temporary, kind, facts=facts)
        # Before its name, and before an older one goes: what has its name counts as whole.
        new_file.flush(_all_below(temporary))
        removal.replace(temporary, path, kind)
        new_file.flush([os.path.dirname(os.path.abspath(path))])


def _all_below(folder: str) -> Iterator[str]:
    """Yields the paths of a local folder and of all files and folders below it."""
    for path, _, names in os.walk(folder):
        yield from (os.path.join(path, name) for name in names)
        yield path
