"""Documents of JSON objects: one a line, or all in one array."""

import codecs
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tfrecords_tools.text.formats.line_layout import is_blank
from tfrecords_tools.text.formats.text_formats import Document, line_name, split_text
from tfrecords_tools.text.read_report import Leniency

MAX_OBJECT_CHARACTERS = 1 << 25  # in an array; of a book, they have some 10 million
_WIKI_EXTRACTOR_KEYS = frozenset(("id", "url", "title", "text"))
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def parse_json_lines(
    lines: Iterable[str], *, path: str, text_field: str, leniency: Leniency, begin: int = 0
) -> Iterator[Document]:
    r"""Yields one document per JSON object: the lines of its text, so it can be empty.

    A text that is null is counted, and is no document.

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
        if is_blank(line):
            continue
        value = load_json(line)
        wrong = _what_is_wrong(value, text_field)
        if wrong:
            leniency.skip_line(
                f"{path}, {line_name(number, begin)}, {wrong}. In JSON lines, each must be an "
                f"object with its text in {text_field!r}: mend it, or give another --text_field."
            )
            continue
        yield from _documents_of(value, text_field, leniency)


def parse_json_array(
    chunks: Iterable[bytes], *, path: str, text_field: str, leniency: Leniency
) -> Iterator[Document]:
    """Yields one document per object of a JSON array, as `parse_json_lines`; in bounded memory.

    Args:
        chunks: of the file.
        path: the file, for messages.
        text_field: the key of the text.
        leniency: hears of elements that are no such objects, which are left out, and of text that
            is no JSON, which ends the reading.

    Raises:
        UserError: any of these, and leniency has none for it.
    """
    for number, value in enumerate(_elements(chunks, path, leniency), start=1):
        wrong = _what_is_wrong(value, text_field)
        if wrong:
            leniency.skip_document(
                f"{path}, element {number:,} of its JSON array, {wrong}. Each must be an object "
                f"with its text in {text_field!r}: mend it, or give another --text_field."
            )
            continue
        yield from _documents_of(value, text_field, leniency)


def load_json(line: str) -> Any:
    """Returns the value of a line, None where it is no JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        return None


def _documents_of(value: dict[str, Any], text_field: str, leniency: Leniency) -> Iterator[Document]:
    text, title = value[text_field], None
    if text is None:
        leniency.report.null_texts += 1
        return iter(())
    if value.keys() >= _WIKI_EXTRACTOR_KEYS:
        text, title = html.unescape(text), html.unescape(str(value["title"])).strip()
    return split_text(text, title=title, leniency=leniency)


def _what_is_wrong(value: Any, text_field: str) -> str:
    if not isinstance(value, dict):
        return "is no JSON object"
    if text_field not in value:
        names = ", ".join(repr(name)[:40] for name in list(value)[:10])
        return f"has no {text_field!r}, but {names or 'nothing'}"
    text = value[text_field]
    if text is None:
        return ""
    if not isinstance(text, str):
        return f"has a {text_field!r} that is no string"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # "\ud800" is JSON
        return f"has half a character (a surrogate) in {text_field!r}"
    return ""


def _elements(chunks: Iterable[bytes], path: str, leniency: Leniency) -> Iterator[Any]:
    """Yields the values of an array, each when all of it is there."""
    text, number = "", 0
    is_begun = is_over = False
    for more in _decode(chunks, path, leniency):
        text += more
        place = 0
        if not is_begun:
            place = text.find("[") + 1
            is_begun = place > 0
        while is_begun and not is_over:
            place = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]
            is_over = text.startswith("]", place)
            try:
                value, place = _DECODER.raw_decode(text, place)
            except (ValueError, RecursionError):  # its end is not there yet, or it has none
                break
            number += 1
            yield value
        text = text[place:]
        if (is_over and not is_blank(text[1:])) or len(text) > MAX_OBJECT_CHARACTERS:
            break
    if not (leniency.broken or (is_over and is_blank(text[1:]))):
        leniency.skip_rest(
            f"{path} is a JSON array, but what follows its element {number:,} is none, or has more "
            f"than {MAX_OBJECT_CHARACTERS:,} characters. Write it as JSON lines: jq -c '.[]' FILE"
        )


def _decode(chunks: Iterable[bytes], path: str, leniency: Leniency) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    num_read = 0
    try:
        for chunk in chunks:
            yield decoder.decode(chunk)
            num_read += len(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        leniency.skip_rest(
            f"{path} is not UTF-8 text: within the 1 MiB from byte {num_read:,} on is "
            f"0x{error.object[error.start]:02x} ({error.reason}). Convert it by iconv, or leave it "
            "out."
        )
