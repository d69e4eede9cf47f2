"""Reads the bytes of text files, packed or not."""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Protocol

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from tfrecords_tools.text.files import file_access
from tfrecords_tools.text.read_report import Leniency

CHUNK_BYTES = 1 << 20  # read at once
_PACKED_BYTES = 1 << 16  # fewer: what follows a stream is copied, and a file can have many streams
# By what a file begins with: names lie, and Google's tools unpack some files but leave the name.
_MAGIC = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    # Some programs put a frame first that decoders pass over, e.g. a table of contents.
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
_MAGIC_BYTES = 16
_XZ_MEMORY = 1 << 27  # bytes; xz -9 needs half of it, and a hostile file may ask for 4 GB
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


def file_size(path: str) -> int:
    """Returns the bytes of a file.

    Raises:
        UserError: it cannot be read.
    """
    with file_errors.reading(path):
        return file_access.look_at(path).num_bytes


def find_compression(path: str) -> str:
    """Returns "gz", "bz2", "xz", "zst" or, for a file that is none of these, "".

    Raises:
        UserError: the file cannot be read.
    """
    with file_errors.reading(path), file_access.open_file(path) as file:
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
    with file_errors.reading(path), file_access.open_file(path) as file:
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
    unpacked = _unpack_zst(packed) if compression == "zst" else _unpack(packed, compression)
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
        while not (rest := rest.lstrip(b"\0")):
            rest = next(packed, b"")
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


def _unpack_zst(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the text of a file of one or several frames; windows above 128 MiB are refused."""
    import pyarrow  # slow to import

    source = pyarrow.PythonFile(_Stream(packed), mode="r")
    with pyarrow.CompressedInputStream(source, "zstd") as stream:
        while text := stream.read(CHUNK_BYTES):
            yield text


class _Stream(io.RawIOBase):
    """A file of the bytes that an iterator yields."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._rest or next(self._chunks, b"")
        taken = data[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = data[len(buffer) :]
        return len(taken)


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
