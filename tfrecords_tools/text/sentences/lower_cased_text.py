"""Text without capitals: shows a splitter that needs them where sentences may begin."""

import re
from collections.abc import Sequence

# Of Latin, Greek, Cyrillic and Armenian; not of Georgian, which begins no sentence with them.
_CODES = (*range(0xC0, 0x590), *range(0x1E00, 0x2000))
_CAPITALS = re.compile("[A-Z{}]".format("".join(c for c in map(chr, _CODES) if c.isupper())))
# At least, in text without capitals. Elsewhere each sentence begins with one.
_CHARACTERS_PER_CAPITAL = 1_000

_OPENING = "\"'(\\[\u00ab\u2018\u201c"
_CLOSING = "\"')\\]\u00bb\u2019\u201d"
# An end (three dots mostly are none), closing quotes, blanks, opening quotes; then a letter.
_CANDIDATE = re.compile(rf"(?<!\.\.)[.!?]([{_CLOSING}]*)\s+[{_OPENING}]*(?=[^\W\d_])")
_WORD_BEFORE = re.compile(rf"[^\s{_OPENING}]*\Z")
_MAX_WORD = 24  # characters; of a longer one the end is looked at
# Seldom the last word of a sentence. blingfire knows more of them, if they begin with a capital.
_ABBREVIATIONS = frozenset(("al", "cf", "etc", "spp", "viz", "vs"))
_WORDS = frozenset(("am", "is", "it", "man", "me"))  # Italian, Maine, ... if with a capital


def is_lower_cased(lines: Sequence[str]) -> bool:
    """Returns whether a text has next to no capitals: fewer than a sentence has."""
    allowed = sum(map(len, lines)) // _CHARACTERS_PER_CAPITAL
    for line in lines:
        for _ in _CAPITALS.finditer(line):
            allowed -= 1
            if allowed < 0:
                return False
    return True


def capitalize_begins(line: str) -> str:
    """Returns a lower-cased line, of the same length, with capitals where sentences may begin.

    The word before gets one too, since that is how blingfire knows abbreviations.

    >>> capitalize_begins("he saw mr. smith, i.e. the other one. then he left.")
    'he saw Mr. Smith, i.e. the other One. Then he left.'
    """
    parts: list[str] = []
    begin = 0
    for match in _CANDIDATE.finditer(line):
        word_begin = _begin_of_word(line, match.start())
        word = line[word_begin : match.start()]
        if not _may_end(word, line[match.start()], match[1]):
            continue
        for place in (match.end(),) if word in _WORDS else (word_begin, match.end()):
            capital = line[place].upper()
            if place >= begin and _CAPITALS.fullmatch(capital):  # not SS
                parts += line[begin:place], capital
                begin = place + 1
    return "".join([*parts, line[begin:]])


def _begin_of_word(line: str, end: int) -> int:
    match = _WORD_BEFORE.search(line, max(0, end - _MAX_WORD), end)
    return match.start() if match else end


def _may_end(word: str, end: str, closing: str) -> bool:
    """Returns whether a sentence may end with this word, its end, and what closes after that."""
    if end != ".":
        return not closing  # "stop!" he said
    is_initial = len(word) == 1 and word.isalpha()
    return not (is_initial or "." in word or word in _ABBREVIATIONS)
