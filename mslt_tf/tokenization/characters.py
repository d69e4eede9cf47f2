"""What BERT takes each character for; the one definition, by Python's Unicode tables (14.0).

As google-research/bert's tokenization.py has it: `_is_control`, `_is_whitespace`,
`_is_punctuation`, `_is_chinese_char`, and the "Mn" of `_run_strip_accents`.
"""

import functools
import itertools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable

Test = Callable[[str], bool]  # of one character

REPLACEMENT = "\ufffd"  # stands for bytes that were no character; BERT drops it

# Punctuation of Unicode 13 and 14. TensorFlow Text 2.15, of Unicode 12, takes it for letters.
_RECENT_PUNCTUATION = frozenset(
    "\u061d\u1b7d\u1b7e\u2e52\u2e53\u2e54\u2e55\u2e56\u2e57\u2e58\u2e59\u2e5a\u2e5b\u2e5c\u2e5d"
    "\U00010ead\U00010f86\U00010f87\U00010f88\U00010f89\U0001145a\U000116b9"
    "\U00011944\U00011945\U00011946\U00012ff1\U00012ff2"
)


def is_dropped(character: str) -> bool:
    """Returns whether BERT takes the character out: control and format characters, and U+FFFD.

    Words on its two sides become one: soft hyphens, zero-width joiners.
    """
    if character in "\t\n\r":
        return False
    return character == REPLACEMENT or unicodedata.category(character) in ("Cc", "Cf")


def is_accent(character: str) -> bool:
    """Returns whether it is a mark that has no width of its own, which stripping accents drops."""
    return unicodedata.category(character) == "Mn"


def is_recent_punctuation(character: str) -> bool:
    """Returns whether it is a punctuation mark that TensorFlow Text does not know yet."""
    return character in _RECENT_PUNCTUATION


def ends_word(character: str) -> bool:
    """Returns whether no word goes on behind it: white space, or a character that is a word."""
    return is_space(character) or is_punctuation(character) or is_chinese(character)


def is_space(character: str) -> bool:
    """Returns whether BERT splits text at the character: blanks, and all that `str.split` takes."""
    return character in " \t\n\r\u2028\u2029" or unicodedata.category(character) == "Zs"


def is_punctuation(character: str) -> bool:
    """Returns whether the character is a punctuation mark, and so a word; of ASCII, any symbol."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def is_chinese(character: str) -> bool:
    """Returns whether it stands in one of the blocks of CJK ideographs, where each is a word."""
    if not _CHINESE[0][0] <= character <= _CHINESE[-1][1]:
        return False
    return any(first <= character <= last for first, last in _CHINESE)


_CHINESE = (
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0002a6df"),
    ("\U0002a700", "\U0002b73f"),
    ("\U0002b740", "\U0002b81f"),
    ("\U0002b820", "\U0002ceaf"),
    ("\U0002f800", "\U0002fa1f"),
)


# Of the other planes nothing is assigned, or all is for private use: no member of any class.
_ASSIGNED = (range(0x40000), range(0xE0000, 0xF0000))


@functools.cache
def class_of(is_member: Test, *, begin: int = 0, end: int = sys.maxunicode + 1) -> str:
    """Returns the members among some code points as what a regular expression has in brackets.

    Python's `re` and RE2 read it alike: code points and ranges of them.
    """
    return "".join(
        _ranges(
            code
            for code in itertools.chain(*_ASSIGNED)
            if begin <= code < end and not 0xD800 <= code < 0xE000 and is_member(chr(code))
        )
    )


def _ranges(code_points: Iterable[int]) -> Iterable[str]:
    """Yields each run of consecutive numbers as "A" or "A-B"."""
    for _, run in itertools.groupby(enumerate(code_points), lambda item: item[1] - item[0]):
        numbers = [number for _, number in run]
        first, last = (re.escape(chr(number)) for number in (numbers[0], numbers[-1]))
        yield first if first == last else f"{first}-{last}"
