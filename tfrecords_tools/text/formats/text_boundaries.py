"""Finds places where a text file can be cut without cutting a document.

Both sides of such a place read as they would within the whole file. The first such place at or
after a byte depends on that byte alone, so a piece ends where the next one begins.
"""

import re
from collections.abc import Callable

from tfrecords_tools.text.files import text_files
from tfrecords_tools.text.formats import wiki_blocks

# Longer ones are no places to cut. The bound makes the search see each of them whole, somewhere.
_MAX_MARK_BYTES = 1 << 13
# Some of the lines that `line_layout.is_blank` calls blank, the usual ones.
_BLANK_LINE = re.compile(
    rb"\n(?:[ \t]{0,64}|(?:[ \t]|\xc2[\xa0\xad]|\xe2\x80[\x8b-\x8f]|\xe2\x81\xa0|\xe3\x80\x80"
    rb"|\xef\xbb\xbf){1,20})\r?\n"
)
_DOC_LINE = b"\n" + wiki_blocks.DOC_BEGIN.encode()


def find_range(path: str, begin: int, end: int, *, size: int, text_format: str) -> tuple[int, int]:
    """Returns from where to before where, in bytes, to read for the piece from `begin` to `end`.

    Args:
        path: an uncompressed file.
        begin: 0, or where the piece before it ends.
        end: before this byte.
        size: of the file.
        text_format: one of FORMATS.

    Raises:
        UserError: the file cannot be read, or has become shorter.
    """
    first = _find_boundary(path, begin, size=size, limit=end, text_format=text_format)
    if first is None:  # a document that began before the piece goes on behind it
        return size, size
    return first, _find_boundary(path, end, size=size, limit=size, text_format=text_format) or size


def _find_boundary(path: str, start: int, *, size: int, limit: int, text_format: str) -> int | None:
    """Returns the first boundary whose mark begins from `start` to before `limit`, or None."""
    if not start:
        return 0
    if start >= size:
        return None
    find = FORMATS[text_format]
    data, offset = b"", start - 1  # from the line end before the first line that counts
    for chunk in text_files.read_range(path, offset, size):
        data += chunk
        found = find(data)
        if found is not None:
            mark, boundary = found
            return offset + boundary if offset + mark < limit else None
        if offset + len(data) - _MAX_MARK_BYTES > limit:
            return None
        offset += max(0, len(data) - _MAX_MARK_BYTES)
        data = data[-_MAX_MARK_BYTES:]
    return None


# Each function returns (where the line begins that marks the boundary, the boundary) in `data`,
# which begins within a line.


def _after_blank_line(data: bytes) -> tuple[int, int] | None:
    found = _BLANK_LINE.search(data)
    return (found.start() + 1, found.end()) if found else None


def _before_block(data: bytes) -> tuple[int, int] | None:
    before = data.find(_DOC_LINE)
    while before >= 0:
        end = data.find(b"\n", before + 1, before + _MAX_MARK_BYTES)
        line = data[before + 1 : end].decode("utf-8", errors="replace")
        if end >= 0 and wiki_blocks.doc_title(line) is not None:
            return before + 1, before + 1
        before = data.find(_DOC_LINE, before + 1)
    return None


def _before_line(data: bytes) -> tuple[int, int] | None:
    before = data.find(b"\n")
    return (before + 1, before + 1) if before >= 0 else None


FORMATS: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "plain": _after_blank_line,
    "wiki": _before_block,
    "jsonl": _before_line,
    "lines": _before_line,
}
