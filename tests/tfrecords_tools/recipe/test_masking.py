"""Masked features, held against a record laid out by hand and BERT's probabilities."""

import dataclasses
import hashlib

import numpy as np
import pytest

from tests.tfrecords_tools.fair_share import assert_share
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe

CLS, SEP, MASK = 2, 3, 4
VOCAB_SIZE = 50
SPECIAL = masking.SpecialTokens(cls_id=CLS, sep_id=SEP, mask_id=MASK, vocab_size=VOCAB_SIZE)
TOKENS = np.random.default_rng(0).integers(5, VOCAB_SIZE, size=1_000).astype(np.int32)


def make_pairs(lengths: list[tuple[int, int]]) -> np.ndarray:
    keys = np.random.default_rng(1).integers(0, 2**63, size=len(lengths))
    rows = [
        (index % 100, first, 400 + index % 300, second, index % 2, keys[index])
        for index, (first, second) in enumerate(lengths)
    ]
    return np.array(rows, dtype=PAIR_DTYPE)


def make(lengths: list[tuple[int, int]], recipe: Recipe) -> masking.Features:
    return masking.make_features(TOKENS, make_pairs(lengths), recipe=recipe, special=SPECIAL)


def random_lengths(count: int, *, max_num_tokens: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(2)
    firsts = rng.integers(1, max_num_tokens, size=count)
    return [(int(first), int(rng.integers(1, max_num_tokens - first + 1))) for first in firsts]


def test_unmasked_records_are_the_pairs_between_special_tokens():
    recipe = Recipe(max_seq_length=32, max_predictions_per_seq=5)
    lengths = random_lengths(200, max_num_tokens=29)
    features = make(lengths, recipe)
    for row, pair in enumerate(make_pairs(lengths)):
        first = TOKENS[pair["first_start"] :][: pair["first_length"]].tolist()
        second = TOKENS[pair["second_start"] :][: pair["second_length"]].tolist()
        expected = [CLS, *first, SEP, *second, SEP]
        padding = [0] * (32 - len(expected))
        unmasked = features.input_ids[row].copy()
        for position, label, weight in zip(
            features.masked_lm_positions[row],
            features.masked_lm_ids[row],
            features.masked_lm_weights[row],
            strict=True,
        ):
            if weight:
                unmasked[position] = label
        assert unmasked.tolist() == expected + padding
        assert features.input_mask[row].tolist() == [1] * len(expected) + padding
        segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
        assert features.segment_ids[row].tolist() == segments + padding
        assert features.next_sentence_labels[row].tolist() == [row % 2]


def test_positions_ascend_and_avoid_special_tokens_and_padding():
    features = make(random_lengths(500, max_num_tokens=29), Recipe(max_seq_length=32))
    for row in range(500):
        count = int(features.masked_lm_weights[row].sum())
        positions = features.masked_lm_positions[row]
        assert np.all(np.diff(positions[:count]) > 0)
        first_length = int((features.segment_ids[row] == 0)[: features.input_mask[row].sum()].sum())
        forbidden = {0, first_length - 1, int(features.input_mask[row].sum()) - 1}
        assert forbidden.isdisjoint(positions[:count].tolist())
        assert positions[:count].max() < features.input_mask[row].sum()
        assert features.masked_lm_weights[row].tolist() == [1.0] * count + [0.0] * (20 - count)
        assert not positions[count:].any()
        assert not features.masked_lm_ids[row, count:].any()


@pytest.mark.parametrize(
    ("length", "expected"),
    # 0.15 x length, rounded half to even as Python does it; at least 1, at most 20.
    [(5, 1), (10, 2), (16, 2), (30, 4), (50, 8), (70, 10), (100, 15), (128, 19), (140, 20)],
)
def test_number_of_predictions_follows_the_length(length: int, expected: int):
    features = make([(length - 4, 1)], Recipe(max_seq_length=140))
    assert features.masked_lm_weights.sum() == expected


def test_a_probability_of_one_predicts_every_token_but_the_special_ones():
    recipe = Recipe(max_seq_length=16, max_predictions_per_seq=20, masked_lm_prob=1.0)
    features = make([(6, 7), (2, 1)], recipe)
    assert features.masked_lm_weights.sum(axis=1).tolist() == [13, 3]
    assert features.masked_lm_positions[1].tolist() == [1, 2, 4] + [0] * 17


def test_predicted_tokens_are_masked_kept_and_exchanged_80_10_10():
    features = make([(60, 65)] * 2_000, Recipe())
    chosen = features.masked_lm_weights > 0
    shown = np.take_along_axis(features.input_ids, features.masked_lm_positions, axis=1)[chosen]
    labels = features.masked_lm_ids[chosen]
    total = len(labels)
    assert total == 2_000 * 19
    # A random word is [MASK], or the token itself, once in VOCAB_SIZE times.
    hit = 0.1 / VOCAB_SIZE
    assert_share(np.sum(shown == MASK), total, probability=0.8 + hit)
    assert_share(np.sum(shown == labels), total, probability=0.1 + hit)
    exchanged = shown[(shown != MASK) & (shown != labels)]
    assert set(exchanged.tolist()) == set(range(VOCAB_SIZE)) - {MASK}
    counts = np.bincount(exchanged, minlength=VOCAB_SIZE)
    for token in [0, 1, CLS, SEP]:  # never labels, so nothing of their share is lost
        assert_share(counts[token], total, probability=hit)


def test_every_token_is_chosen_equally_often():
    features = make([(10, 15)] * 20_000, Recipe(max_seq_length=32, max_predictions_per_seq=4))
    counts = np.bincount(features.masked_lm_positions.ravel(), minlength=32)
    places = [*range(1, 11), *range(12, 27)]
    assert counts[places].sum() == 20_000 * 4
    for place in places:
        assert_share(counts[place], 20_000, probability=4 / 25)


def test_the_places_of_a_record_are_chosen_independently_of_its_neighbour():
    features = make([(10, 15)] * 20_000, Recipe(max_seq_length=32, max_predictions_per_seq=4))
    chosen = np.zeros((20_000, 32), dtype=bool)
    np.put_along_axis(chosen, features.masked_lm_positions, values=True, axis=1)
    both = int((chosen[:-1, 5] & chosen[1:, 5]).sum())
    assert_share(both, 19_999, probability=(4 / 25) ** 2)


def test_a_record_is_masked_alike_in_whatever_batch_it_is():
    pairs = make_pairs([(10, 15)] * 50)
    whole = masking.make_features(TOKENS, pairs, recipe=Recipe(), special=SPECIAL)
    part = masking.make_features(TOKENS, pairs[[30, 7]], recipe=Recipe(), special=SPECIAL)
    np.testing.assert_array_equal(part.input_ids, whole.input_ids[[30, 7]])
    np.testing.assert_array_equal(part.masked_lm_ids, whole.masked_lm_ids[[30, 7]])


@pytest.mark.parametrize(
    ("recipe", "most_tokens", "expected"),
    [
        (Recipe(), 125, "61ce5a26f2bf2ee84c9b90d2bf9791a9c6bd40ebfb6fa42582c6e61186c873b0"),
        (
            Recipe(max_seq_length=512, max_predictions_per_seq=80),
            300,
            "f234586a50391f0508f6ffb0ea7d10ec5be356069013387f62607f33206c8e43",
        ),
        (
            Recipe(max_seq_length=16, max_predictions_per_seq=20, masked_lm_prob=1.0),
            13,
            "9daa0336bb889ba26bb158441fbc898a4ccbd6392a186eaa9fcdaf717208a5d0",
        ),
        (
            Recipe(max_seq_length=16, max_predictions_per_seq=1, masked_lm_prob=0.0),
            13,
            "b02d34f8bfd9de5f876eddb85ef826bced0a7b44e66ce5534e6ead8a534e02a5",
        ),
    ],
)
def test_a_seed_makes_the_records_it_always_made(recipe: Recipe, most_tokens: int, expected: str):
    features = make(random_lengths(500, max_num_tokens=most_tokens), recipe)
    digest = hashlib.sha256()
    for field in dataclasses.fields(features):
        values = getattr(features, field.name)
        digest.update(f"{field.name} {values.dtype} {values.shape}".encode() + values.tobytes())
    assert digest.hexdigest() == expected


def test_an_empty_batch_stays_empty():
    features = make([], Recipe())
    assert features.input_ids.shape == (0, 128)
    assert features.masked_lm_positions.shape == (0, 20)


def test_random_bits_are_those_of_splitmix64():
    # The first numbers of the authors' C program for the seed 1234567.
    bits = masking.random_bits(np.array([1234567], np.uint64), num=3, stream=0)
    assert bits[0].tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_streams_of_a_record_share_no_number():
    key = np.array([99], np.uint64)
    numbers = [
        number
        for stream in range(4)
        for number in masking.random_bits(key, num=600, stream=stream)[0].tolist()
    ]
    assert len(set(numbers)) == 4 * 600
