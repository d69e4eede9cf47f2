"""Whether the input is still what it was, by the times of its files; their content is not read."""

import dataclasses
import hashlib
import os

from tfrecords_tools.text.files import file_access
from tfrecords_tools.text.files.found_files import FoundFiles
from tfrecords_tools.text.pieces.piece import Piece


def state_of_input(files: FoundFiles) -> str:
    """Returns a hash of the names, sizes and times of all input files."""
    digest = hashlib.sha256()
    for path in files.paths:
        digest.update(f"{path!r} {_size_and_time(path)}\n".encode())
    return digest.hexdigest()


def state_of_piece(piece: Piece) -> str:
    """Returns a hash of which part of the input a piece is, and of the size and time of its file.

    However its path is spelt: the same command may be given in another folder.
    """
    is_local = bool(piece.path) and not file_access.is_remote(piece.path)
    path = os.path.realpath(piece.path) if is_local else piece.path
    part = dataclasses.astuple(dataclasses.replace(piece, path=path))
    return hashlib.sha256(f"{part!r} {_size_and_time(piece.path)}".encode()).hexdigest()


def _size_and_time(path: str) -> tuple[int, int] | None:
    """Returns None where a file is there no more."""
    try:
        look = file_access.look_at(path)
    except file_access.ERRORS:
        return None
    return look.num_bytes, look.modified
