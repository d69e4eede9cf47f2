"""Tells by the beginning of a text file how its documents are written."""

import itertools
import re

from tfrecords_tools.text.text_formats import SENTENCE_ENDS, load_json
from tfrecords_tools.text.wiki_blocks import doc_title

HEAD_BYTES = 1 << 16

# The beginning of an object whose end lies behind the head.
_LONG_OBJECT = re.compile(r'\{\s*"[^"\\]*"\s*:')

_MIN_LINES = 20  # fewer say nothing about a book
_WIDTHS = range(40, 101)  # characters of a full line in wrapped text
_MIN_SHARE_OF_FULL_LINES = 0.5
_MIN_SHARE_OF_BROKEN_SENTENCES = 0.25
_MIN_LONG_PARAGRAPH = 200  # characters
_MIN_SHARE_OF_SPEECH = 0.1
_QUOTES = tuple("\"'“\u2018«„—")  # \u2018: the single one


def detect_format(head: bytes) -> str:
    """Returns "wiki", "jsonl", "book" or, where nothing speaks for one of these, "plain".

    Args:
        head: the first bytes of the text, HEAD_BYTES of them if there are as many.
    """
    text = head.decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if doc_title(first) is not None:
        return "wiki"
    is_whole = len(head) < HEAD_BYTES or first is not lines[-1]
    if isinstance(load_json(first), dict) or (
        not is_whole and _LONG_OBJECT.match(first.lstrip()) is not None
    ):
        return "jsonl"
    lines = [line.strip() for line in lines[:-1]] or [first]  # the last one may be cut
    is_book = _is_wrapped(lines) or _has_lone_paragraphs(lines)
    return "book" if is_book else "plain"


def _is_wrapped(lines: list[str]) -> bool:
    """Returns whether lines break where the column is full, in the middle of sentences.

    A sentence or a paragraph a line has lines of all lengths. Both are looked at: lower-cased
    sentences without punctuation seem to go on in the next line, too.
    """
    lengths = sorted(len(line) for line in lines if line)
    if len(lengths) < _MIN_LINES:
        return False
    width = lengths[int(0.9 * len(lengths))]
    full = sum(length >= 0.75 * width for length in lengths)
    over = sum(length > 1.25 * width for length in lengths)
    broken = sum(
        bool(line and after) and not line.endswith(SENTENCE_ENDS) and after[0].islower()
        for line, after in itertools.pairwise(lines)
    )
    return (
        width in _WIDTHS
        and over <= 0.01 * len(lengths)
        and full >= _MIN_SHARE_OF_FULL_LINES * len(lengths)
        and broken >= _MIN_SHARE_OF_BROKEN_SENTENCES * len(lengths)
    )


def _has_lone_paragraphs(lines: list[str]) -> bool:
    """Returns whether blank lines divide paragraphs of a line each, and these tell a story.

    They might be documents of a paragraph each, e.g. reviews; but these do not begin with direct
    speech time and again, and have no chapters.
    """
    texts = [line for line in lines if line]
    num_blocks = sum(
        bool(line) and not before for before, line in zip(["", *lines], lines, strict=False)
    )
    if num_blocks < _MIN_LINES or len(texts) > 1.3 * num_blocks:
        return False
    has_paragraphs = sorted(map(len, texts))[int(0.9 * len(texts))] >= _MIN_LONG_PARAGRAPH
    speech = sum(line.startswith(_QUOTES) for line in texts)
    return has_paragraphs and speech >= _MIN_SHARE_OF_SPEECH * len(texts)
