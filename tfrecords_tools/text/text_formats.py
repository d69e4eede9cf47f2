"""From the lines of a file to its documents, for each way of writing them.

A document is a list of lines; a line is a sentence or a paragraph, none is blank.
"""

import html
import json
from collections.abc import Iterable, Iterator
from typing import Any

from tfrecords_tools.text.read_report import Leniency

Document = list[str]

# A text without blank lines is one document; it must fit into memory. Books have 5 MB at most.
MAX_DOCUMENT_CHARACTERS = 1 << 24
_LINE_OVERHEAD = 64  # characters that a line counts for by itself: it takes memory

MAX_WRAPPED = 160  # characters; a longer line of a book is a paragraph
_SHORT_LINE = 50  # characters; in wrapped text, one before which the paragraph ends
SENTENCE_ENDS = tuple(".!?…\"'”\u2019»)]:")  # \u2019: the single quote
_MAX_PARAGRAPH_CHARACTERS = 1 << 20
_WIKI_EXTRACTOR_KEYS = frozenset(("id", "url", "title", "text"))


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
        if line and not line.isspace():
            full = document.add(line)
            if full:
                yield full
        elif document:
            yield document.finish()
    if document:
        yield document.finish()


def parse_json_lines(
    lines: Iterable[str], *, path: str, text_field: str, leniency: Leniency, begin: int = 0
) -> Iterator[Document]:
    r"""Yields one document per JSON object: the lines of its text, so it can be empty.

    Objects of WikiExtractor --json are recognised by their keys: their texts are without their
    titles, and &amp;, &lt; and &gt; become characters again.

    Args:
        lines: one object each, or blank.
        path: the file, for messages.
        text_field: the key of the text; "\n" in it divides paragraphs.
        leniency: hears of lines that are no such objects; they are left out.
        begin: the place of the first line in the file, in bytes; for messages.

    Raises:
        UserError: a line is no JSON object or has no such text, and leniency has none for it.
    """
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        value = load_json(line)
        wrong = _what_is_wrong(value, text_field)
        if wrong:
            leniency.skip_line(
                f"{path}, {line_name(number, begin)}, {wrong}. In JSON lines, each must be an "
                f"object with its text in {text_field!r}: mend it, or give another --text_field."
            )
            continue
        text, title = value[text_field], None
        if value.keys() >= _WIKI_EXTRACTOR_KEYS:
            text, title = html.unescape(text), html.unescape(str(value["title"])).strip()
        yield from split_text(text, title=title, leniency=leniency)


def split_text(text: str, *, title: str | None = None, leniency: Leniency) -> Iterator[Document]:
    """Yields the document that a text with line breaks is, without its title; in parts if long."""
    document = DocumentBuilder(leniency)
    lines = [line.removesuffix("\r") for line in text.split("\n") if line and not line.isspace()]
    if lines and lines[0].strip() == title:
        del lines[0]
    for line in lines:
        for part in _short_parts(line, leniency):
            full = document.add(part)
            if full:
                yield full
    yield document.finish()


def load_json(line: str) -> Any:
    """Returns the value of a line, None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        return None


def _what_is_wrong(value: Any, text_field: str) -> str:
    if not isinstance(value, dict):
        return "is no JSON object"
    if text_field not in value:
        names = ", ".join(repr(name)[:40] for name in list(value)[:10])
        return f"has no {text_field!r}, but {names or 'nothing'}"
    text = value[text_field]
    if not isinstance(text, str):
        return f"has a {text_field!r} that is no string"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # "\ud800" is JSON
        return f"has half a character (a surrogate) in {text_field!r}"
    return ""


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
    paragraph. The lines of the others are joined by a space; words stay broken where hyphens break
    them. A book without text is no document.
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
        text = line.strip()
        is_long = len(text) > MAX_WRAPPED
        if wrapped and (not text or is_long or size > _MAX_PARAGRAPH_CHARACTERS):
            yield " ".join(wrapped)
            wrapped, size = [], 0
        if is_long:
            yield text
        elif text:
            wrapped.append(text)
            size += len(text)
            if len(text) < _SHORT_LINE and (text.endswith(SENTENCE_ENDS) or text.isupper()):
                yield " ".join(wrapped)
                wrapped, size = [], 0
    if wrapped:
        yield " ".join(wrapped)


def line_name(number: int, begin: int) -> str:
    """Returns e.g. "line 12"; where counting began at a byte, also at which one."""
    return f"line {number}" + (f" after byte {begin:,}" if begin else "")
