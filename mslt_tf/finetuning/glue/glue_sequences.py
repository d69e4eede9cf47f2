"""Texts and pairs of texts as the sequences that a model reads.

A sequence is [CLS] first [SEP], or [CLS] first [SEP] second [SEP], without padding.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer

_TEXTS_AT_ONCE = 10_000

Ids = npt.NDArray[np.int32]


class PairTokenizer:
    """Makes sequences of examples."""

    def __init__(
        self, tokenizer: WordpieceTokenizer, vocabulary: Sequence[str], *, max_length: int
    ):
        """Takes the encoder's tokenizer, its tokens by id, and the longest sequence."""
        self._tokenizer, self.max_length = tokenizer, max_length
        self._cls_id, self._sep_id = (vocabulary.index(token) for token in ("[CLS]", "[SEP]"))

    def sequences(self, examples: Sequence[Example]) -> Sequences:
        """Returns the sequences of examples, with their labels as targets where all have one.

        What is longer than `max_length` loses tokens at the end of the longer text, as in
        google-research/bert's run_classifier.py.
        """
        firsts = self._tokens([example.text for example in examples])
        pairs = [example.text_pair for example in examples]
        seconds = self._tokens([pair or "" for pair in pairs])
        packed = (
            self._pack(first, None if pair is None else second)
            for first, second, pair in zip(firsts, seconds, pairs, strict=True)
        )
        return Sequences.of(packed, _targets(examples))

    def _tokens(self, texts: Sequence[str]) -> Iterator[Ids]:
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            tokens = self._tokenizer.tokenize(texts[start : start + _TEXTS_AT_ONCE])
            ids, limits = tokens.values.numpy(), tokens.row_splits.numpy()
            yield from (ids[begin:end] for begin, end in itertools.pairwise(limits))

    def _pack(self, first: Ids, second: Ids | None) -> tuple[Ids, Ids]:
        """Returns the ids of a sequence, and their types: 0 for the first text, 1 for the other."""
        if second is None:
            ids = [[self._cls_id], first[: self.max_length - 2], [self._sep_id]]
            return np.concatenate(ids), np.zeros(sum(map(len, ids)), np.int32)
        num_first, num_second = kept_lengths(len(first), len(second), room=self.max_length - 3)
        ids = [[self._cls_id], first[:num_first], [self._sep_id], second[:num_second]]
        types = np.repeat(np.array([0, 1], np.int32), [num_first + 2, num_second + 1])
        return np.concatenate([*ids, [self._sep_id]]), types


def kept_lengths(first: int, second: int, *, room: int) -> tuple[int, int]:
    """Returns how many tokens of two texts are kept where both have `room` together.

    The longer one gives tokens up until both are equal, then each in turn, the second first.

    >>> kept_lengths(3, 9, room=8)
    (3, 5)
    >>> kept_lengths(9, 9, room=7)
    (4, 3)
    """
    kept = min(first, max(room - second, (room + 1) // 2))
    return kept, min(second, room - kept)


def _targets(examples: Sequence[Example]) -> npt.NDArray[np.generic] | None:
    labels = [example.label for example in examples]
    if any(label is None for label in labels):
        return None
    is_score = any(isinstance(label, float) for label in labels)
    return np.array(labels, np.float32 if is_score else np.int32)
