"""How much of a text becomes [UNK], counted in characters, and what is likely the cause.

Counted in tokens it may look like little: a word of Thai is a sentence, and one [UNK].
"""

import collections
import dataclasses
import itertools
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mslt_tf.tokenization.normalization import MAX_WORD_CHARACTERS
from mslt_tf.vocabulary import CONTINUATION
from tfrecords_tools.tokenization import Tokenizer

_TEXTS_AT_ONCE = 1_024  # that have an unknown word, as most have none
_WORTH_A_CAUSE = 0.1  # share of the unknown characters

SplitWords = Callable[[Sequence[str]], list[list[str]]]  # texts to the words of each


@dataclasses.dataclass(frozen=True)
class UnknownCounts:
    """Numbers of characters; counts of two texts add up."""

    characters: int = 0  # all that are not blanks
    unknown: int = 0  # in words that became [UNK]; of these
    too_long: int = 0  # in words that are [UNK] for their length
    scripts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """In words with a letter that the vocabulary lacks, by the first word of its Unicode name."""

    def __add__(self, other: "UnknownCounts") -> "UnknownCounts":
        scripts = collections.Counter(self.scripts) + collections.Counter(other.scripts)
        return UnknownCounts(
            characters=self.characters + other.characters,
            unknown=self.unknown + other.unknown,
            too_long=self.too_long + other.too_long,
            scripts=dict(sorted(scripts.items())),
        )


class UnknownCounter:
    """Tokenises, and counts the characters of the words that become [UNK] on the way."""

    def __init__(
        self, tokenizer: Tokenizer, vocabulary: Sequence[str], *, split_words: SplitWords
    ) -> None:
        """Takes the words from where the tokenizer takes them.

        Args:
            tokenizer: whose texts are counted.
            vocabulary: its tokens.
            split_words: gives the words as the tokenizer looks them up.
        """
        self._counts = UnknownCounts()
        self._pending: list[str] = []  # texts with an unknown word, not counted yet
        self._tokenizer = tokenizer
        self._split_words = split_words
        self._unk_id = vocabulary.index("[UNK]")
        self._alphabet = {
            character for token in vocabulary for character in token.removeprefix(CONTINUATION)
        }

    def tokenize(self, texts: Sequence[str]) -> tf.RaggedTensor:
        """Returns what the tokenizer does."""
        ragged = self._tokenizer.tokenize(texts)
        joined = "".join(texts)
        self._counts += UnknownCounts(characters=len(joined) - joined.count(" "))
        unknown = np.flatnonzero(ragged.values.numpy() == self._unk_id)
        if len(unknown):  # as a rule in few texts
            ends = ragged.row_splits.numpy()[1:]
            rows = np.unique(np.searchsorted(ends, unknown, side="right"))
            self._pending += [texts[row] for row in rows.tolist()]
            if len(self._pending) >= _TEXTS_AT_ONCE:
                self._count_pending()
        return ragged

    @property
    def counts(self) -> UnknownCounts:
        """Those of all texts so far."""
        self._count_pending()
        return self._counts

    def _count_pending(self) -> None:
        self._counts += self._count(self._pending)
        self._pending = []

    def _count(self, texts: Sequence[str]) -> UnknownCounts:
        """Returns the counts of texts with an unknown word, but for the number of characters."""
        if not texts:
            return UnknownCounts()
        words = collections.Counter(word for text in self._split_words(texts) for word in text)
        num_unknown = num_long = 0
        scripts: collections.Counter[str] = collections.Counter()
        for word in self._unknown_among(list(words)):
            # Letters that were taken apart, such as those of Korean, are one of the text.
            num_characters = len(unicodedata.normalize("NFC", word)) * words[word]
            num_unknown += num_characters
            if len(word) > MAX_WORD_CHARACTERS:
                num_long += num_characters
            else:
                scripts[self._foreign_script(word)] += num_characters
        del scripts[""]
        return UnknownCounts(unknown=num_unknown, too_long=num_long, scripts=scripts)

    def _unknown_among(self, words: list[str]) -> Iterator[str]:
        if words:
            ragged = self._tokenizer.tokenize(words)
            # A word that is unknown is that one token.
            is_unknown = ragged[:, :1].to_tensor(-1).numpy()[:, 0] == self._unk_id
            yield from itertools.compress(words, is_unknown)

    def _foreign_script(self, word: str) -> str:
        """Returns the script of a letter that the vocabulary lacks; "" if it has all of them."""
        for character in word:
            if character not in self._alphabet and unicodedata.category(character)[0] in "LM":
                return unicodedata.name(character, "").partition(" ")[0]
        return ""


def rates(counts: UnknownCounts) -> dict[str, Any]:
    """Returns shares of the characters, by name, as `dataset_info.json` has them."""
    total = max(counts.characters, 1)
    scripts = {name: round(number / total, 5) for name, number in counts.scripts.items()}
    return {
        "unknown_character_rate": round(min(counts.unknown / total, 1.0), 5),
        "too_long_word_rate": round(counts.too_long / total, 5),
        "unknown_scripts": {name: rate for name, rate in scripts.items() if rate},
    }


def describe_causes(rate: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each likely cause, by what `rates` returned."""
    least = _WORTH_A_CAUSE * rate["unknown_character_rate"]
    if rate["too_long_word_rate"] > least:
        yield (
            f"{rate['too_long_word_rate']:.1%} of the characters stand in words of more than "
            f"{MAX_WORD_CHARACTERS}, which BERT does not look up: put blanks between the words."
        )
    scripts = sorted(rate["unknown_scripts"].items(), key=lambda item: -item[1])
    for name, of_script in scripts:
        if of_script > least:
            yield (
                f"{of_script:.1%} stand in words with letters that the vocabulary lacks: {name}. "
                "Take a vocabulary that has them, or make one of this text by build_vocab."
            )
