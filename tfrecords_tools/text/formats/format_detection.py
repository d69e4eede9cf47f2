"""Tells by the beginning of a text file how its documents are written."""

import itertools
import re

from tfrecords_tools.text.formats.json_text import load_json
from tfrecords_tools.text.formats.line_layout import ends_sentence, is_blank, width
from tfrecords_tools.text.formats.wiki_blocks import doc_title
from tfrecords_tools.text.sentences.sentence_ends import SENTENCE_ENDS

HEAD_BYTES = 1 << 16
OTHER_JSON = "other JSON"

# The beginning of an object whose end lies behind the head.
_LONG_OBJECT = re.compile(r'\{\s*"[^"\\]*"\s*:')
# An array of objects, in one line or in many.
_ARRAY = re.compile(r'\s*\[\s*\{\s*"')

# The beginning of other JSON: an object over several lines, an array of something else.
_OTHER_JSON = re.compile(r'\s*(\{[ \t]*\r?\n\s*"|\[\s*(["\[\]]|\{\s*["}]|null\b))')

_MIN_LINES = 20  # fewer say nothing about a book
_WIDTHS = range(40, 101)  # columns of a full line in wrapped text
_MIN_SHARE_OF_FULL_LINES = 0.5
_MIN_SHARE_OF_BROKEN_SENTENCES = 0.25
_MIN_SHARE_GOING_ON = 0.5  # of lines in a script without capitals
_MIN_SHARE_OF_ENDS_INSIDE = 0.15  # of sentences, among such lines
_END_INSIDE = re.compile(rf"[.!?{SENTENCE_ENDS}]\W*\w")
_MIN_LONG_PARAGRAPH = 200  # characters
_MIN_SHARE_OF_SPEECH = 0.1
_QUOTES = tuple("\"'“\u2018«„—")  # \u2018: the single one


def detect_format(head: bytes) -> str:
    """Returns "wiki", "jsonl", "json", "book" or, where nothing speaks for these, "plain".

    Of JSON that cannot be read, it returns OTHER_JSON.

    Args:
        head: the first bytes of the text, HEAD_BYTES of them if there are as many.
    """
    text = head.decode("utf-8", errors="replace").removeprefix("\ufeff")
    lines = text.split("\n")
    first = next((line for line in lines if not is_blank(line)), "")
    if doc_title(first) is not None:
        return "wiki"
    is_whole = len(head) < HEAD_BYTES or first is not lines[-1]
    if isinstance(load_json(first), dict) or (
        not is_whole and _LONG_OBJECT.match(first.lstrip()) is not None
    ):
        return "jsonl"
    if _ARRAY.match(text):
        return "json"
    if _OTHER_JSON.match(text):
        return OTHER_JSON
    lines = [line.strip() for line in lines[:-1]] or [first]  # the last one may be cut
    is_book = _is_wrapped(lines) or _has_lone_paragraphs(lines)
    return "book" if is_book else "plain"


def _is_wrapped(lines: list[str]) -> bool:
    """Returns whether lines break where the column is full, in the middle of sentences.

    A sentence or a paragraph a line has lines of all lengths. Both are looked at: lower-cased
    sentences without punctuation seem to go on in the next line, too.
    """
    widths = [width(line) for line in lines]
    filled = sorted(filter(None, widths))
    if len(filled) < _MIN_LINES:
        return False
    column = filled[int(0.9 * len(filled))]
    full = sum(each >= 0.75 * column for each in filled)
    over = sum(each > 1.25 * column for each in filled)
    pairs = [(line, after) for line, after in itertools.pairwise(lines) if line and after]
    broken = sum(after[0].islower() and not ends_sentence(line) for line, after in pairs)
    return (
        column in _WIDTHS
        and over <= 0.01 * len(filled)
        and full >= _MIN_SHARE_OF_FULL_LINES * len(filled)
        and (
            broken >= _MIN_SHARE_OF_BROKEN_SENTENCES * len(filled)
            or _is_wrapped_without_case(pairs, list(zip(lines, widths, strict=True)), column)
        )
    )


def _is_wrapped_without_case(
    pairs: list[tuple[str, str]], lines: list[tuple[str, int]], column: int
) -> bool:
    """Returns whether sentences of a script without capitals go on in the next line.

    As no capital tells where a sentence begins, two things must: sentences end inside lines, or
    the last lines of paragraphs are shorter; and nearly all lines that do not end one are full.
    """
    going_on = sum(
        after[0].isalpha() and after[0].lower() == after[0].upper() and not ends_sentence(line)
        for line, after in pairs
    )
    if going_on < _MIN_SHARE_GOING_ON * len(pairs):
        return False
    inner, last = list[int](), list[int]()
    for (line, each), (_, below) in itertools.pairwise(lines):
        if line and not (ends_sentence(line) and below):
            (inner if below else last).append(each)
    if not inner or sum(each >= 0.75 * column for each in inner) < 0.9 * len(inner):
        return False
    num_ends = sum(bool(_END_INSIDE.search(line)) for line, _ in lines)
    has_short_ends = len(last) >= 3 and sum(last) / len(last) < 0.75 * column
    return has_short_ends or num_ends >= _MIN_SHARE_OF_ENDS_INSIDE * len(inner)


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
