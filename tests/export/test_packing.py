"""Segments are cut and packed as by tensorflow_text, of which TensorFlow Serving lacks a part."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from mslt_tf.export import packing

SPECIAL = packing.SpecialIds(padding=9, start=1, end=2, mask=3)
PAIRS = list(itertools.product(range(8), range(8)))  # lengths of two segments


def segments(count):
    """Returns one or two segments of all lengths in PAIRS, each token with an id of its own."""
    rows = tf.RaggedTensor.from_row_lengths
    columns = [[pair[i] for pair in PAIRS] for i in range(count)]
    return [
        rows(tf.range(sum(lengths)) + 1_000 * i + 10, lengths) for i, lengths in enumerate(columns)
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_too_long_is_cut_as_the_round_robin_trimmer_cuts(count):
    found = segments(count)
    for room in range(17):
        expected = tf_text.RoundRobinTrimmer(room).trim(found)
        kept = packing.kept_lengths([segment.row_lengths() for segment in found], room)
        for lengths, trimmed in zip(kept, expected, strict=True):
            np.testing.assert_array_equal(lengths, trimmed.row_lengths())


def reference(found, max_length):
    """Returns word ids, mask and types by tensorflow_text."""
    trimmed = tf_text.RoundRobinTrimmer(max_length - 1 - len(found)).trim(found)
    ids, types = tf_text.combine_segments(trimmed, SPECIAL.start, SPECIAL.end)
    padded, mask = tf_text.pad_model_inputs(ids, max_length, SPECIAL.padding)
    return padded, mask, tf_text.pad_model_inputs(types, max_length)[0]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("max_length", [3, 4, 9, 30])
def test_they_are_packed_as_tensorflow_text_packs(count, max_length):
    found = segments(count)
    packed = packing.pack(found, SPECIAL, max_length=max_length, pads=True)
    shorter = packing.pack(found, SPECIAL, max_length=max_length, pads=False)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    longest = min(max_length, 7 * count + 1 + count)
    for name, expected in zip(names, reference(found, max_length), strict=True):
        assert packed[name].dtype == tf.int32
        np.testing.assert_array_equal(packed[name], expected)
        np.testing.assert_array_equal(shorter[name], expected[:, :longest])


def test_no_texts_are_packed_to_none():
    packed = packing.pack([segments(1)[0][:0]], SPECIAL, max_length=8, pads=False)
    assert packed["input_word_ids"].shape == [0, 1]


def test_a_length_without_room_for_tokens_holds_special_ones():
    packed = packing.pack(segments(2), SPECIAL, max_length=2, pads=True)
    np.testing.assert_array_equal(packed["input_word_ids"], [[1, 2]] * len(PAIRS))
