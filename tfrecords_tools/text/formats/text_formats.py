"""From the lines of a file to its documents, for each way of writing them.

A document is a list of lines; a line is a sentence or a paragraph, none is blank.
"""

from collections.abc import Iterable, Iterator

from tfrecords_tools.text.formats.line_layout import ends_sentence, is_blank, join_wrapped, width
from tfrecords_tools.text.read_report import Leniency

Document = list[str]

# A text without blank lines is one document; it must fit into memory. Books have 5 MB at most.
MAX_DOCUMENT_CHARACTERS = 1 << 24
_LINE_OVERHEAD = 64  # characters that a line counts for by itself: it takes memory

MAX_WRAPPED = 160  # characters; a longer line of a book is a paragraph
_SHORT_LINE = 50  # columns; in wrapped text, one before which the paragraph ends
_MAX_PARAGRAPH_CHARACTERS = 1 << 20


class DocumentBuilder:
    """Collects the lines of a document, which comes in parts where it would get too long."""

    def __init__(self, leniency: Leniency) -> None:
        """Takes what counts the documents that are cut."""
        self._report = leniency.report
        self._lines: Document = []
        self._size = 0
        self._is_cut = False

    def __bool__(self) -> bool:
        """Returns whether there are lines that `finish` would return."""
        return bool(self._lines)

    def add(self, line: str) -> Document | None:
        """Adds a line; returns the part of the document before it, if that is full."""
        self._size += len(line) + _LINE_OVERHEAD
        if self._size <= MAX_DOCUMENT_CHARACTERS or not self._lines:
            self._lines.append(line)
            return None
        full = self._lines
        self._lines, self._size = [line], len(line) + _LINE_OVERHEAD
        self._report.cut_documents += not self._is_cut
        self._is_cut = True
        return full

    def finish(self) -> Document:
        """Returns the document, or its last part, and begins another one."""
        lines, self._lines, self._size, self._is_cut = self._lines, [], 0, False
        return lines


def parse_plain_text(lines: Iterable[str], *, leniency: Leniency) -> Iterator[Document]:
    """Yields the documents of plain text; blank lines end them. None is empty."""
    document = DocumentBuilder(leniency)
    for line in lines:
        if not is_blank(line):
            full = document.add(line)
            if full:
                yield full
        elif document:
            yield document.finish()
    if document:
        yield document.finish()


def parse_lines(lines: Iterable[str]) -> Iterator[Document]:
    """Yields a document of one line for each line that is not blank."""
    for line in lines:
        if not is_blank(line):
            yield [line]


def join_documents(
    documents: Iterable[Document], number: int, *, leniency: Leniency
) -> Iterator[Document]:
    """Yields one document for each `number` of documents, or for fewer at the end."""
    joined = DocumentBuilder(leniency)
    count = 0
    for count, document in enumerate(documents, start=1):
        for line in document:
            full = joined.add(line)
            if full:
                yield full
        if not count % number:
            yield joined.finish()
    if count % number:
        yield joined.finish()


def split_text(text: str, *, title: str | None = None, leniency: Leniency) -> Iterator[Document]:
    """Yields the document that a text with line breaks is, without its title; in parts if long."""
    document = DocumentBuilder(leniency)
    lines = [line.removesuffix("\r") for line in text.split("\n") if not is_blank(line)]
    if lines and lines[0].strip() == title:
        del lines[0]
    for line in lines:
        for part in _short_parts(line, leniency):
            full = document.add(part)
            if full:
                yield full
    yield document.finish()


def _short_parts(line: str, leniency: Leniency) -> Iterator[str]:
    """Yields `line`, or its parts, cut after spaces, if it is too long."""
    if len(line) <= _MAX_PARAGRAPH_CHARACTERS:
        yield line
        return
    leniency.report.cut_lines += 1
    begin = 0
    while begin < len(line):
        end = begin + _MAX_PARAGRAPH_CHARACTERS
        if end < len(line):
            end = line.rfind(" ", begin, end) + 1 or end
        if line[begin:end].strip():
            yield line[begin:end]
        begin = end


def parse_book(lines: Iterable[str], *, leniency: Leniency) -> Iterator[Document]:
    """Yields a whole file as one document; its lines are paragraphs.

    Blank lines end paragraphs; so does a line that is far shorter than the others and ends a
    sentence, for books without blank lines. A line of more than MAX_WRAPPED characters is a
    paragraph. The lines of the others are joined, by a space where their script has spaces; words
    stay broken where hyphens break them. A book without text is no document.
    """
    document = DocumentBuilder(leniency)
    for paragraph in _paragraphs(lines):
        full = document.add(paragraph)
        if full:
            yield full
    if document:
        yield document.finish()


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    wrapped: list[str] = []  # the lines of the open paragraph
    size = 0
    for line in lines:
        text = "" if is_blank(line) else line.strip()
        is_long = len(text) > MAX_WRAPPED
        if wrapped and (not text or is_long or size > _MAX_PARAGRAPH_CHARACTERS):
            yield join_wrapped(wrapped)
            wrapped, size = [], 0
        if is_long:
            yield text
        elif text:
            wrapped.append(text)
            size += len(text)
            if width(text) < _SHORT_LINE and (ends_sentence(text) or text.isupper()):
                yield join_wrapped(wrapped)
                wrapped, size = [], 0
    if wrapped:
        yield join_wrapped(wrapped)


def line_name(number: int, begin: int) -> str:
    """Returns e.g. "line 12"; where counting began at a byte, also at which one."""
    return f"line {number}" + (f" after byte {begin:,}" if begin else "")
