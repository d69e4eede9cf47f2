"""Text as BERT has it before it looks for words: cleaned, lower-cased, without accents.

Source: google-research/bert, tokenization.py, `BasicTokenizer`. What is left to do, splitting at
white space, punctuation and Chinese characters, TensorFlow Text's FastWordpieceTokenizer does as
BERT does. `graph_normalization` says the same in TensorFlow operations.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from mslt_tf.text_case import TextCase
from mslt_tf.tokenization import characters

MAX_WORD_CHARACTERS: Final = 200  # of BERT's WordpieceTokenizer; a longer word is [UNK]
# A word of as many characters has no more bytes in UTF-8; so a longer one than that is [UNK] too.
MAX_WORD_BYTES: Final = 4 * MAX_WORD_CHARACTERS
TOO_LONG: Final = "x" * (MAX_WORD_BYTES + 1)  # stands for any word that is

_FIRST_PLANE_END = 0x10000
_OTHER_PLANES = re.compile("[\U00010000-\U0010ffff]")


def normalize(texts: Sequence[str], case: TextCase) -> list[str]:
    """Returns the texts as BERT looks up their words; those that are too long become TOO_LONG."""
    cleaned = clean(texts, case)
    return [
        _long_word().sub(TOO_LONG, text)
        if len(text) > MAX_WORD_CHARACTERS and _has_run(text)
        else text
        for text in cleaned
    ]


def clean(texts: Sequence[str], case: TextCase) -> list[str]:
    """Returns the texts as BERT cuts its words from them, of any length."""
    cleaned = [text.lower() for text in texts] if case.do_lower_case else list(texts)
    # In plain text is nothing to do but to lower-case: no letter beyond ASCII, no tab.
    others = [i for i, text in enumerate(texts) if not (text.isascii() and text.isprintable())]
    if others:
        # All at once, as a call takes as long as the work on a line. Line ends are blanks to BERT.
        joined = "\n".join([texts[index].replace("\n", " ") for index in others])
        for index, text in zip(others, _change(joined, case).split("\n"), strict=True):
            cleaned[index] = text
    return cleaned


def _change(text: str, case: TextCase) -> str:
    text = _replace(characters.is_dropped, "", text)
    if case.do_lower_case:
        text = text.lower()
    if case.strip_accents:
        text = unicodedata.normalize("NFD", text)
        text = _replace(characters.is_accent, "", text)
    return _replace(characters.is_recent_punctuation, r" \g<0> ", text)


def _replace(is_member: characters.Test, replacement: str, text: str) -> str:
    of_first_plane, of_others = _patterns(is_member)
    text = of_first_plane.sub(replacement, text)
    return of_others.sub(replacement, text) if _OTHER_PLANES.search(text) else text


@functools.cache
def _patterns(is_member: characters.Test) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns patterns of the members in the first plane of Unicode, and in the others.

    One of both would be ten times slower: Python compares each character with every range of the
    other planes, one after the other.
    """
    others = characters.class_of(is_member, begin=_FIRST_PLANE_END)
    return (
        re.compile(f"[{characters.class_of(is_member, end=_FIRST_PLANE_END)}]"),
        re.compile(f"(?={_OTHER_PLANES.pattern})[{others}]"),
    )


def _has_run(text: str) -> bool:
    """Returns whether a word may be too long: a quick look, as next to none is."""
    return max(map(len, text.split()), default=0) > MAX_WORD_CHARACTERS


@functools.cache
def _long_word() -> re.Pattern[str]:
    end = characters.class_of(characters.ends_word)
    # Not from the middle of a word, where trying again would take a square of its length.
    return re.compile(f"(?<![^{end}])[^{end}]{{{MAX_WORD_CHARACTERS + 1},}}")
