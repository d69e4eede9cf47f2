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

_ASCII_DROPPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def normalize(texts: Sequence[str], case: TextCase) -> list[str]:
    """Returns the texts as BERT looks up their words; those that are too long become TOO_LONG."""
    cleaned = clean(texts, case)
    return [_long_word().sub(TOO_LONG, text) if _has_run(text) else text for text in cleaned]


def clean(texts: Sequence[str], case: TextCase) -> list[str]:
    """Returns the texts as BERT cuts its words from them, of any length."""
    normalized = [text.replace("\n", " ") for text in texts]  # the same to BERT, and free for us
    parts: tuple[list[int], list[int]] = ([], [])
    for index, text in enumerate(normalized):
        parts[text.isascii()].append(index)
    for indices, change in zip(parts, (_change, _change_ascii), strict=True):
        if indices:
            # All at once, as a call takes as long as the work on a line.
            changed = change("\n".join([normalized[index] for index in indices]), case)
            for index, text in zip(indices, changed.split("\n"), strict=True):
                normalized[index] = text
    return normalized


def _change_ascii(text: str, case: TextCase) -> str:
    text = _ASCII_DROPPED.sub("", text)
    return text.lower() if case.do_lower_case else text


def _change(text: str, case: TextCase) -> str:
    text = _one_of(characters.is_dropped).sub("", text)
    if case.do_lower_case:
        text = text.lower()
    if case.strip_accents:
        text = unicodedata.normalize("NFD", text)
        text = _one_of(characters.is_accent).sub("", text)
    return _one_of(characters.is_recent_punctuation).sub(r" \g<0> ", text)


@functools.cache
def _one_of(is_member: characters.Test) -> re.Pattern[str]:
    return re.compile(f"[{characters.class_of(is_member)}]")


def _has_run(text: str) -> bool:
    """Returns whether a word may be too long: a quick look, as next to none is."""
    if len(text) <= MAX_WORD_CHARACTERS:
        return False
    return max(map(len, text.split()), default=0) > MAX_WORD_CHARACTERS


@functools.cache
def _long_word() -> re.Pattern[str]:
    end = characters.class_of(characters.ends_word)
    # Not from the middle of a word, where trying again would take a square of its length.
    return re.compile(f"(?<![^{end}])[^{end}]{{{MAX_WORD_CHARACTERS + 1},}}")
