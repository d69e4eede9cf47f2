r"""From the bytes of a file to its lines of text: UTF-8, in bounded memory however long a line is.

Lines end with "\n" or "\r\n", and with nothing else: form feeds, lone carriage returns, NEL and
Unicode's line separators stand inside lines. (Where a whole file has carriage returns only, it is
read as if they were "\n": see `file_pieces`.)
"""

from collections.abc import Iterator

from tfrecords_tools.text.formats.line_layout import is_blank
from tfrecords_tools.text.read_report import Leniency

MAX_LINE_BYTES = 1 << 20  # not less than text_files.CHUNK_BYTES, see _exceeds
# An object cannot be cut into parts. The largest documents, books, have some 10 MB.
MAX_JSON_BYTES = 1 << 25


class LineReader:
    """Reads the lines of one piece of a file.

    Attributes:
        left_out: stands where a line was left out; None where nothing may, as a blank line means
            something.
    """

    def __init__(self, path: str, *, begin: int, leniency: Leniency, left_out: str | None) -> None:
        """Takes the file's name and the place of the first byte, for messages."""
        self._path = path
        self._begin = begin
        self._leniency = leniency
        self.left_out = left_out
        self._in_long_line = False
        self._long_line_has_text = False

    def read(self, chunks: Iterator[bytes]) -> Iterator[list[str]]:
        """Yields lines without their ends, some at a time; too long ones in parts.

        A line of more than MAX_LINE_BYTES is cut after the last space before them, and again. Parts
        of white space only are left out, as they would look like blank lines.

        Raises:
            UserError: a line is not UTF-8, and the leniency has none for it.
        """
        offset = self._begin  # of `data` in the file
        data = b""
        for chunk in chunks:
            data += chunk
            while _exceeds(data, MAX_LINE_BYTES):
                cut = _cut_place(data)
                yield self._part(data[:cut], offset)
                data = data[cut:]
                offset += cut
            # A line end is one byte in UTF-8, so a cut behind it never splits a character.
            cut = data.rfind(b"\n") + 1
            if cut:
                yield self._lines(data[:cut], offset)
                data = data[cut:]
                offset += cut
        if data and not self._leniency.broken:
            yield self._lines(data, offset)

    def read_json(self, chunks: Iterator[bytes]) -> Iterator[list[str]]:
        """Yields lines without their ends; leaves out those of more than MAX_JSON_BYTES.

        Raises:
            UserError: a line is too long or not UTF-8, and the leniency has none for it.
        """
        offset = self._begin
        data = b""
        for chunk in chunks:
            data += chunk
            if self._in_long_line or _exceeds(data, MAX_JSON_BYTES):
                if not self._in_long_line:
                    self._leniency.skip_line(
                        f"{self._path} has a line of more than {MAX_JSON_BYTES:,} bytes, from byte "
                        f"{offset:,} on. JSON lines must have fewer: put less text into each."
                    )
                newline = data.find(b"\n")
                self._in_long_line = newline < 0
                rest = data[newline:] if newline >= 0 else b""  # its "\n" counts the line
                offset += len(data) - len(rest)
                data = rest
            cut = data.rfind(b"\n") + 1
            if cut:
                yield self._lines(data[:cut], offset)
                data = data[cut:]
                offset += cut
        if data and not self._leniency.broken:
            yield self._lines(data, offset)

    def _part(self, data: bytes, offset: int) -> list[str]:
        """Returns a part of a long line, if there is text in it."""
        if not self._in_long_line:
            self._leniency.report.cut_lines += 1
            self._in_long_line, self._long_line_has_text = True, False
        parts = self._decode(data, offset)
        texts = [part for part in parts if not is_blank(part)]
        self._long_line_has_text |= bool(texts or not parts)  # what is left out was text
        return texts

    def _lines(self, data: bytes, offset: int) -> list[str]:
        if not self._in_long_line:
            return self._decode(data, offset)
        end = data.find(b"\n") + 1 or len(data)
        lines = self._part(data[:end], offset)
        if not self._long_line_has_text:
            lines.append("")  # all of it is blank
        self._in_long_line = False
        return lines + (self._decode(data[end:], offset + end) if data[end:] else [])

    def _decode(self, data: bytes, offset: int) -> list[str]:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return list(self._readable_lines(data, offset))
        if not offset:
            text = text.removeprefix("\ufeff")  # the byte order mark of Windows editors
        lines = text.removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines] if "\r" in text else lines

    def _readable_lines(self, data: bytes, offset: int) -> Iterator[str]:
        """Yields what is UTF-8 of some lines of which not all are."""
        for line in data.removesuffix(b"\n").split(b"\n"):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                self._leniency.skip_line(
                    f"{self._path} is not UTF-8 text: byte {offset + error.start:,} is "
                    f"0x{line[error.start]:02x} ({error.reason}). Convert it: iconv -f ENCODING -t "
                    "UTF-8, where ENCODING is its own, e.g. LATIN1 or GB18030; or leave it out."
                )
                if self.left_out is not None:
                    yield self.left_out
            else:
                yield (text if offset else text.removeprefix("\ufeff")).removesuffix("\r")
            offset += len(line) + 1


def _exceeds(data: bytes, max_bytes: int) -> bool:
    """Returns whether the first line has more bytes; no other can, as chunks are not longer."""
    return len(data) > max_bytes and data.find(b"\n", 0, max_bytes + 1) < 0


def _cut_place(data: bytes) -> int:
    """Returns how many bytes of a too long line make its next part."""
    cut = data.rfind(b" ", 0, MAX_LINE_BYTES) + 1
    if cut:
        return cut
    cut = MAX_LINE_BYTES
    while cut > MAX_LINE_BYTES - 4 and data[cut] & 0xC0 == 0x80:  # inside a character
        cut -= 1
    return cut
