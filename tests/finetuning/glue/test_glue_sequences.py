"""Sequences of texts and pairs, and what is cut of them, by the rule of google-research/bert."""

import numpy as np
import pytest

from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_sequences import PairTokenizer, kept_lengths
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests.conversion.trained_models import vocabulary

TOKENS = list(vocabulary())


def tokens_of(*examples, max_length=10):
    tokenizer = PairTokenizer(WordpieceTokenizer(TOKENS, TextCase()), TOKENS, max_length=max_length)
    sequences = tokenizer.sequences(examples)
    found = []
    for index, length in enumerate(sequences.lengths):
        padded = sequences.padded(np.array([index]))
        ids, types = padded["input_ids"][0], padded["segment_ids"][0]
        assert length == len(ids)
        found.append((" ".join(TOKENS[i] for i in ids), types.tolist()))
    return found, sequences.targets


def test_what_is_kept_of_a_pair_is_what_popping_from_the_longer_one_leaves():
    for first in range(14):
        for second in range(14):
            for room in range(2, 30):
                lengths = [first, second]
                while sum(lengths) > room:
                    lengths[0 if lengths[0] > lengths[1] else 1] -= 1
                assert kept_lengths(first, second, room=room) == tuple(lengths)


def test_texts_and_pairs_get_their_marks_and_types():
    found, targets = tokens_of(
        Example(0, "Ab c", None, 1),
        Example(1, "a b c d e f g h i j", None, 0),
        Example(2, "a", "b C", 1),
        Example(3, "a b c d e f", "g h", 0),
        Example(4, "", "a", 0),
    )
    assert found == [
        ("[CLS] a ##b c [SEP]", [0] * 5),
        ("[CLS] a b c d e f g h [SEP]", [0] * 10),
        ("[CLS] a [SEP] b c [SEP]", [0, 0, 0, 1, 1, 1]),
        ("[CLS] a b c d e [SEP] g h [SEP]", [0] * 7 + [1] * 3),
        ("[CLS] [SEP] a [SEP]", [0, 0, 1, 1]),
    ]
    assert targets.tolist() == [1, 0, 1, 0, 0]
    assert targets.dtype == np.int32


def test_the_shortest_sequences_hold_a_token_of_each_text():
    found, _ = tokens_of(Example(0, "a b c", "d e f", 1), max_length=5)
    assert found == [("[CLS] a [SEP] d [SEP]", [0, 0, 0, 1, 1])]


@pytest.mark.parametrize(
    ("labels", "expected", "dtype"), [([1.5, 4.0], [1.5, 4.0], "float32"), ([1, None], None, None)]
)
def test_scores_are_targets_and_unknown_labels_are_none(labels, expected, dtype):
    _, targets = tokens_of(*(Example(i, "a", "b", label) for i, label in enumerate(labels)))
    if expected is None:
        assert targets is None
    else:
        assert (targets.tolist(), targets.dtype) == (expected, np.dtype(dtype))
