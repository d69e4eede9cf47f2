"""The files of a checkpoint: `state.json` vouches for the others and for itself.

A power cut leaves empty files behind, a failing disk flipped bits. Checksums tell them before
anything is restored. CRC-32, not a cryptographic hash: it finds all damage of up to 32 bits in a
row and all but one in four billion of the rest, and SHA-256 takes half as long as writing the
files where the CPU has no instructions for it.
"""

import dataclasses
import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, new_file

STATE_FILE = "state.json"
CHUNK_BYTES = 1024 * 1024
_UNUSABLE = "The checkpoint cannot be used: copy it again, or take another."


@dataclasses.dataclass(frozen=True)
class _File:
    """What `state.json` says of a file."""

    bytes: int
    crc32: str


@dataclasses.dataclass(frozen=True)
class _Sealed:
    """The whole of `state.json`."""

    content: Mapping[str, Any]
    crc32: str


def seal(folder: str, content: Mapping[str, Any]) -> None:
    """Writes `state.json`: `content`, and what each file of the folder must be; all reaches disk.

    Raises:
        tensorflow.errors.OpError: a file cannot be written, or not read back.
        OSError: the disk does not take what was written.
    """
    names = sorted(tf.io.gfile.listdir(folder))
    files = {name: _describe(os.path.join(folder, name)) for name in names}
    with tf.io.gfile.GFile(os.path.join(folder, STATE_FILE), "wb") as file:
        file.write(_sealed({**content, "files": files}))
    new_file.flush([*(os.path.join(folder, name) for name in (*names, STATE_FILE)), folder])


def read_sealed(folder: str, *, checks_files: bool = True) -> dict[str, Any]:
    """Returns what `seal` was given, after it has read and checked every file of the folder.

    Args:
        folder: of the checkpoint.
        checks_files: False reads and checks `state.json` alone.

    Raises:
        UserError: names a file that is missing or not as it was written, and what is wrong.
    """
    with file_errors.naming(f"{folder} cannot be read", _UNUSABLE):
        content, files = _read_state(os.path.join(folder, STATE_FILE))
        files = files if checks_files else {}
        for name, expected in files.items():  # all of them first: it takes no time
            _check_size(os.path.join(folder, name), expected.bytes)
        for name, expected in files.items():
            _check_content(os.path.join(folder, name), expected.crc32)
    return content


def fingerprint(folder: str) -> str:
    """Returns what tells a checkpoint from others of its step: its state has all checksums.

    Raises:
        tensorflow.errors.OpError: it cannot be read.
    """
    return _crc32(os.path.join(folder, STATE_FILE))


def room(folder: str) -> int | None:
    """Returns the bytes that a local folder has, used and free on its disk; None for others."""
    there = folder if os.path.isdir(folder) else os.path.dirname(folder)
    if not os.path.isdir(there):
        return None
    # Links count as such: what they name may lie elsewhere, or be gone.
    used = sum(path.lstat().st_size for path in Path(folder).rglob("*"))
    return used + shutil.disk_usage(there).free


def _sealed(content: Mapping[str, Any]) -> bytes:
    """Returns the one text of `state.json` that stands for `content`."""
    plain = json.loads(json.dumps(content))  # keys are texts from here on, and sort as such
    checksum = zlib.crc32(json.dumps(plain, sort_keys=True).encode())
    sealed = {"content": plain, "crc32": f"{checksum:08x}"}
    return json.dumps(sealed, indent=2, sort_keys=True).encode()


def _read_state(path: str) -> tuple[dict[str, Any], Mapping[str, _File]]:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            found = file.read()
    except tf.errors.NotFoundError as error:
        raise UserError(
            f"{os.path.dirname(path)} has no {STATE_FILE}. Give a folder RUN/checkpoints/step-N."
        ) from error
    try:
        content = dict(json_values.parse(_Sealed, json_values.loads(found)).content)
        is_whole = _sealed(content) == found
        files = json_values.parse(dict[str, _File], content.pop("files", None))
    except json_values.JsonValueError:
        is_whole = False
    if not is_whole:
        raise UserError(f"{path} is damaged: it is not as it was written. {_UNUSABLE}")
    return content, files


def _describe(path: str) -> dict[str, Any]:
    return dataclasses.asdict(_File(tf.io.gfile.stat(path).length, _crc32(path)))


def _check_size(path: str, expected: int) -> None:
    try:
        found = tf.io.gfile.stat(path).length
    except tf.errors.NotFoundError as error:
        raise UserError(f"{path} is missing. {_UNUSABLE}") from error
    if found != expected:
        raise UserError(f"{path} is damaged: it has {found} bytes, not {expected}. {_UNUSABLE}")


def _check_content(path: str, expected: str) -> None:
    found = _crc32(path)
    if found != expected:
        raise UserError(
            f"{path} is damaged: its checksum is {found}, that of what was written {expected}. "
            f"{_UNUSABLE}"
        )


def _crc32(path: str) -> str:
    """Returns the checksum of a file, which may be larger than memory."""
    value = 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return f"{value:08x}"
