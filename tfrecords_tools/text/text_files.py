"""Finds text files and reads their bytes: globs, folders, compressed files; all by tf.io.gfile."""

import bz2
import contextlib
import lzma
import os
import re
import shlex
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Protocol

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.path_flags import join_paths, split_paths
from tfrecords_tools.text.read_report import Leniency
from tfrecords_tools.text.text_input import EMBEDDED

CHUNK_BYTES = 1 << 20  # read at once
_PACKED_BYTES = 1 << 16  # fewer: what follows a stream is copied, and a file can have many streams
# By what a file begins with: names lie, and Google's tools unpack some files but leave the name.
_MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
}
_MAGIC_BYTES = 16
_XZ_MEMORY = 1 << 27  # bytes; xz -9 needs half of it, and a hostile file may ask for 4 GB
_MOST_COMMAS = 3  # in a name for which we ask whether it lacks quotes
_DAMAGE = (zlib.error, lzma.LZMAError, EOFError, OSError)


class Decompressor(Protocol):
    """What bz2's and lzma's decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream is at its end."""

    @property
    def needs_input(self) -> bool:
        """Whether it has nothing more to give before it gets more."""

    @property
    def unused_data(self) -> bytes:
        """What it was given behind the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Returns at most `max_length` bytes of the text; keeps what else it can."""


def reading(path: str) -> contextlib.AbstractContextManager[None]:
    """Turns errors about the file at `path` into a UserError."""
    advice = "It must be there and yours to read: mend or remove it, or give another."
    return file_errors.naming(f"{path} cannot be read", advice)


def find_files(patterns: str) -> tuple[list[str], int]:
    """Finds the files of glob patterns and folders, given as `path_flags.split_paths` reads them.

    Returns:
        The files, sorted, none twice; and how many files and folders below the folders were left
        out, as their names begin with "." or "_". What is below such a folder is not counted.

    Raises:
        UserError: a pattern matches no file, its folder cannot be read, or a quote has no end.
    """
    files: set[str] = set()
    hidden: set[str] = set()
    for pattern in _split(patterns):
        found = _files_of(pattern, hidden)
        if not found:
            raise UserError(
                f"--input names {pattern!r}, which matches no file. {_advice(pattern, patterns)}"
            )
        files.update(found)
    if not files:
        raise UserError(f"--input {patterns!r} names no file. Give files, or {EMBEDDED!r}.")
    return sorted(files), len(hidden - files)


def find_places(patterns: str) -> tuple[list[str], list[str]]:
    """Returns the files and the folders that `patterns` name; nothing from below the folders.

    Raises:
        UserError: a folder cannot be read.
    """
    files, folders = list[str](), list[str]()
    for pattern in _split(patterns):
        with reading(pattern):
            is_folder = tf.io.gfile.isdir(pattern)
        folders += [pattern] if is_folder else []
        files += [] if is_folder else _files_of(pattern, set())
    return files, folders


def _split(patterns: str) -> list[str]:
    try:
        return [pattern for pattern in split_paths(patterns) if pattern]
    except ValueError as error:
        raise UserError(
            f"--input: {error}. Double quotes belong around a whole name, one with a comma or a "
            "quote at its begin; quotes of its own are then written twice."
        ) from error


def _files_of(pattern: str, hidden: set[str]) -> list[str]:
    """Returns the files of one pattern, and adds what is left out below a folder to `hidden`."""
    with reading(pattern):
        if tf.io.gfile.isdir(pattern):
            return list(_files_below(pattern.rstrip("/") or "/", hidden))
        if tf.io.gfile.exists(pattern):  # before it is a pattern: a name may have brackets
            return [pattern]
        return [path for path in tf.io.gfile.glob(pattern) if not tf.io.gfile.isdir(path)]


def _advice(pattern: str, patterns: str) -> str:
    """Returns what to do about a pattern that matches no file."""
    name = _name_without_quotes(pattern, patterns)
    if name:
        quoted = shlex.quote(join_paths([name]))  # the shell takes a pair of quotes for itself
        return f"But {name!r} does: write a name with a comma in double quotes, --input={quoted}."
    return (
        "Give folders, files or glob patterns of files, separated by commas (quote them: the shell "
        f"expands * too), or {EMBEDDED!r}."
    )


def _name_without_quotes(pattern: str, patterns: str) -> str:
    """Returns the name with commas that `pattern` is a part of, if it matches files, or ""."""
    parts = patterns.split(",")
    for length in range(2, _MOST_COMMAS + 2):
        for begin in range(len(parts) - length + 1):
            run = parts[begin : begin + length]
            name = ",".join(run).strip()
            if pattern in map(str.strip, run) and _files_of(name, set()):
                return name
    return ""


def _files_below(folder: str, hidden: set[str]) -> Iterator[str]:
    """Yields the files below `folder`, and adds what is left out for its name to `hidden`."""
    for name in tf.io.gfile.listdir(folder):
        name = name.rstrip("/")  # gs:// puts one behind the names of folders
        path = f"{folder.rstrip('/')}/{name}"
        if name.startswith((".", "_")):
            hidden.add(path)
        elif tf.io.gfile.isdir(path):
            # A link may lead back up, and the walk would not end.
            if not os.path.islink(path):
                yield from _files_below(path, hidden)
        # A pipe or device would keep the reader waiting forever. Of gs:// paths, os knows nothing.
        elif os.path.isfile(path) or not os.path.exists(path):
            yield path


def file_size(path: str) -> int:
    """Returns the bytes of a file.

    Raises:
        UserError: it cannot be read.
    """
    with reading(path):
        size: int = tf.io.gfile.stat(path).length
    return size


def find_compression(path: str) -> str:
    """Returns "gz", "bz2", "xz" or, for a file that is none of these, "".

    Raises:
        UserError: the file cannot be read.
    """
    with reading(path), tf.io.gfile.GFile(path, "rb") as file:
        begin = file.read(_MAGIC_BYTES)
    return next((name for name, magic in _MAGIC.items() if magic.match(begin)), "")


def read_range(
    path: str,
    begin: int,
    end: int,
    *,
    advance: Callable[[int], None] = lambda num_bytes: None,
    chunk_bytes: int | None = None,
) -> Iterator[bytes]:
    """Yields the bytes from `begin` to before `end`, in chunks of that many or of CHUNK_BYTES.

    Raises:
        UserError: the file cannot be read, or ends before `end`.
    """
    position = begin
    with reading(path), tf.io.gfile.GFile(path, "rb") as file:
        file.seek(begin)
        while position < end:
            chunk = file.read(min(chunk_bytes or CHUNK_BYTES, end - position))
            if not chunk:
                raise UserError(
                    f"{path} ends at byte {position:,}, but had {end:,} bytes when it was listed. "
                    "Files must stay as they are while they are read: start again."
                )
            position += len(chunk)
            advance(len(chunk))
            yield chunk


def read_compressed(
    path: str,
    compression: str,
    *,
    leniency: Leniency,
    advance: Callable[[int], None] = lambda num_bytes: None,
) -> Iterator[bytes]:
    """Yields what a compressed file holds, in chunks; memory does not depend on what it unpacks to.

    Args:
        path: the file.
        compression: what `find_compression` returned for it.
        leniency: hears of a file that is cut off or damaged.
        advance: is called with every number of compressed bytes read.

    Raises:
        UserError: the file cannot be read; or it is damaged, and leniency has none for it.
    """
    size = file_size(path)
    packed = read_range(path, 0, size, advance=advance, chunk_bytes=_PACKED_BYTES)
    length = 0  # of the text so far
    unpacked = _unpack(packed, compression)
    while True:
        try:
            chunk = next(unpacked, b"")
        except _DAMAGE as error:
            leniency.skip_rest(
                f"{path} is no whole .{compression} file: {error}, after {length:,} bytes of text. "
                "It may be cut off: get it anew, or leave it out."
            )
            return
        if not chunk:
            return
        length += len(chunk)
        yield chunk


def _unpack(packed: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """Yields the text of a file of one or several compressed streams, one after the other."""
    rest = b""
    while True:
        # Between streams, gzip and xz files may be filled up with zeros, e.g. on tapes.
        rest = rest.lstrip(b"\0") or next(packed, b"").lstrip(b"\0")
        if not rest:
            return
        rest = yield from _unpack_stream(_make_decompressor(compression), rest, packed)


def _unpack_stream(
    decompressor: Decompressor, data: bytes, packed: Iterator[bytes]
) -> Generator[bytes, None, bytes]:
    """Yields the text of one stream; returns the bytes that `data` held behind its end."""
    while True:
        text = decompressor.decompress(data, CHUNK_BYTES)
        if text:
            yield text
        if decompressor.eof:
            return decompressor.unused_data
        data = b""
        if decompressor.needs_input:
            data = next(packed, b"")
            if not data:
                raise EOFError("it ends in the middle")


def _make_decompressor(compression: str) -> Decompressor:
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return bz2.BZ2Decompressor() if compression == "bz2" else _Gunzip()


class _Gunzip:
    """zlib's decompressor for gzip files, as the other two are."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: with gzip's header
        self.needs_input = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        text = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # Without a tail, some text may still wait inside; an empty call brings it.
        self.needs_input = not self._zlib.unconsumed_tail and len(text) < max_length
        return text
