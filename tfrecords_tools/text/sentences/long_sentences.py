"""Cuts what has no sentence ends into parts as long as sentences are."""

import re
import unicodedata
from collections.abc import Iterator

PART = 150  # characters; an English sentence has 130 in Wikipedia
_TWO_PARTS = PART * 3 // 2  # what is shorter is one
MAX_SENTENCE = 2_000  # characters; English Wikipedia and novels have none that is longer

# Scripts that write phrases without blanks between words, and mostly no sentence ends: Thai, Lao,
# Tibetan, Myanmar, Khmer and their neighbours. The content of a character class of `re`.
_PHRASES = "\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_PHRASE_LETTERS = re.compile(f"[{_PHRASES}]+")
_UNSPACED_LETTERS = re.compile(f"[{_PHRASES}\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+")
_BLANKS = re.compile(r"\s+")
_WORD_BOUNDARIES = re.compile("[\u0f0b\u200b]+")  # Tibetan's between syllables; an invisible blank
# Written before the consonant that they follow; and signs that stack the next consonant.
_BEFORE_CONSONANT = "\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u1039\u17d2"


def cut(sentence: str) -> list[str]:
    """Returns the sentence, or its parts if it is too long for one: cut at blanks, if it has any.

    Phrases of Thai and the like are joined to parts of about PART characters. What else is longer
    than MAX_SENTENCE is cut alike, but a word only where words are not divided by blanks.
    """
    if len(sentence) < _TWO_PARTS:
        return [sentence]
    if len(sentence) > MAX_SENTENCE or _is_most(_PHRASE_LETTERS, sentence):
        return list(_parts(sentence, cuts_words=_is_most(_UNSPACED_LETTERS, sentence)))
    return [sentence]


def _is_most(letters: re.Pattern[str], text: str) -> bool:
    return 2 * sum(map(len, letters.findall(text))) > len(text)


def _parts(text: str, *, cuts_words: bool) -> Iterator[str]:
    begin = 0
    while len(text) - begin >= _TWO_PARTS:
        num_parts = round((len(text) - begin) / PART)
        aim = begin + (len(text) - begin) // num_parts
        end = _find_cut(text, begin, aim, cuts_words=cuts_words)
        yield text[begin:end].strip()
        begin = end
    if begin < len(text):
        yield text[begin:].strip()


def _find_cut(text: str, begin: int, aim: int, *, cuts_words: bool) -> int:
    """Returns where to cut: near `aim`, a place after `begin` that is as good as can be."""
    slack = (aim - begin) // 2
    for places in (_BLANKS, _WORD_BOUNDARIES):
        ends = [match.end() for match in places.finditer(text, aim - slack, aim + slack)]
        if ends:
            return min(ends, key=lambda end: abs(end - aim))
    if cuts_words:
        return next((place for place in range(aim, begin, -1) if _begins_cluster(text, place)), aim)
    blank = _BLANKS.search(text, aim)
    return blank.end() if blank else len(text)


def _begins_cluster(text: str, place: int) -> bool:
    """Returns whether what a reader sees as one letter begins there."""
    return (
        not unicodedata.category(text[place]).startswith("M")
        and text[place - 1] not in _BEFORE_CONSONANT
    )
