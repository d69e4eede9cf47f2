"""Whole words, held against a draw by hand, BERT's probabilities and the words of the source."""

from collections.abc import Iterator

import numpy as np

from tests.tfrecords_tools.fair_share import assert_share
from tfrecords_tools.recipe import masking, whole_words
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe

CLS, SEP, MASK = 2, 3, 4
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY += [f"word{n}" for n in range(30)] + [f"##piece{n}" for n in range(15)]
VOCAB_SIZE, FIRST_WORD, FIRST_PIECE = 50, 5, 35
CONTINUES = whole_words.continuation_pieces(VOCABULARY)
SPECIAL = masking.SpecialTokens(cls_id=CLS, sep_id=SEP, mask_id=MASK, vocab_size=VOCAB_SIZE)


def make(tokens: np.ndarray, pairs: np.ndarray, recipe: Recipe) -> masking.Features:
    return masking.make_features(
        tokens, pairs, recipe=recipe, special=SPECIAL, continues_word=CONTINUES
    )


def make_tokens(sizes: list[int]) -> np.ndarray:
    """Words of so many tokens, one behind the other."""
    tokens = [
        FIRST_WORD + index % 30 if place == 0 else FIRST_PIECE + index % 15
        for index, size in enumerate(sizes)
        for place in range(size)
    ]
    return np.array(tokens, np.int32)


def make_pairs(firsts: np.ndarray, seconds: np.ndarray, second_start: np.ndarray) -> np.ndarray:
    pairs = np.zeros(len(firsts), PAIR_DTYPE)
    pairs["first_length"], pairs["second_length"] = firsts, seconds
    pairs["second_start"] = second_start
    pairs["mask_key"] = np.random.default_rng(7).integers(0, 2**63, len(firsts))
    return pairs


def alike(count: int, *, first: int, second: int) -> np.ndarray:
    """Pairs that differ in their key only; the second segment follows the first."""
    full = np.full(count, 1)
    return make_pairs(full * first, full * second, full * first)


def random_records(recipe: Recipe, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Text of words of 1 to 5 tokens, and segments that begin and end anywhere in it."""
    rng = np.random.default_rng(3)
    tokens = make_tokens(rng.choice([1, 2, 3, 4, 5], 500, p=[0.5, 0.2, 0.15, 0.1, 0.05]).tolist())
    room = recipe.max_seq_length - 3
    firsts = rng.integers(1, room, count)
    seconds = rng.integers(1, room - firsts + 1)
    pairs = make_pairs(firsts, seconds, rng.integers(0, 700, count))
    pairs["first_start"] = rng.integers(0, 700, count)
    return tokens, pairs


def unmask(features: masking.Features) -> np.ndarray:
    ids = features.input_ids.copy()
    row, column = np.nonzero(features.masked_lm_weights)
    ids[row, features.masked_lm_positions[row, column]] = features.masked_lm_ids[row, column]
    return ids


def words_of(ids: np.ndarray) -> Iterator[list[int]]:
    """The places of each word of one record, found token by token."""
    word: list[int] = []
    for place, token in enumerate(ids.tolist()):
        if token in (0, CLS, SEP):
            yield from [word] if word else []
            word = []
        elif word and VOCABULARY[token].startswith("##"):
            word.append(place)
        else:
            yield from [word] if word else []
            word = [place]


def chosen_places(features: masking.Features) -> list[set[int]]:
    return [
        set(positions[weights > 0].tolist())
        for positions, weights in zip(
            features.masked_lm_positions, features.masked_lm_weights, strict=True
        )
    ]


def test_every_word_is_predicted_whole_or_not_at_all():
    recipe = Recipe(max_seq_length=48, max_predictions_per_seq=9, masked_lm_prob=0.25)
    tokens, pairs = random_records(recipe, 800)
    features = make(tokens, pairs, recipe)
    num_tokens = features.input_mask.sum(axis=1)
    budgets = np.clip(np.rint(num_tokens * 0.25), 1, 9)
    for ids, chosen, budget in zip(unmask(features), chosen_places(features), budgets, strict=True):
        words = [set(word) for word in words_of(ids)]
        taken = [word for word in words if word <= chosen]
        assert set().union(*taken) == chosen
        assert len(chosen) <= budget
        # Nothing that would have fitted is left.
        left = budget - len(chosen)
        assert all(word <= chosen or len(word) > left for word in words)


def test_unmasked_records_are_those_of_token_masking():
    recipe = Recipe(max_seq_length=48, max_predictions_per_seq=9)
    tokens, pairs = random_records(recipe, 300)
    whole = make(tokens, pairs, recipe)
    single = masking.make_features(tokens, pairs, recipe=recipe, special=SPECIAL)
    np.testing.assert_array_equal(unmask(whole), unmask(single))
    for name in ("input_mask", "segment_ids", "next_sentence_labels"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(single, name))
    assert (whole.input_ids != single.input_ids).any()


def test_without_pieces_whole_words_are_single_tokens():
    recipe = Recipe(max_seq_length=48, max_predictions_per_seq=9)
    tokens, pairs = random_records(recipe, 300)
    none = np.zeros(VOCAB_SIZE, bool)
    whole = masking.make_features(
        tokens, pairs, recipe=recipe, special=SPECIAL, continues_word=none
    )
    single = masking.make_features(tokens, pairs, recipe=recipe, special=SPECIAL)
    np.testing.assert_array_equal(whole.input_ids, single.input_ids)
    np.testing.assert_array_equal(whole.masked_lm_positions, single.masked_lm_positions)


def test_words_are_drawn_in_order_until_the_budget_is_full():
    # Turn by turn: places 3 and 4; 7; 1 and 2; 8 and 9; 5. At 0 and 6 stand special tokens.
    is_token = np.array([[0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0]], bool)
    begins = np.array([[0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0]], bool)
    lots = np.array([[0, 30, 1, 10, 2, 50, 0, 20, 40, 3, 0, 0]], np.uint64)
    expected = {
        1: [7],
        2: [3, 4],
        3: [3, 4, 7],
        4: [3, 4, 5, 7],
        5: [1, 2, 3, 4, 7],
        6: [1, 2, 3, 4, 5, 7],
        8: [1, 2, 3, 4, 5, 7, 8, 9],
    }
    for budget, places in expected.items():
        chosen = whole_words.choose_words(lots, is_token, begins, np.array([budget]))
        assert np.flatnonzero(chosen[0]).tolist() == places


def test_words_are_chosen_as_by_a_loop_over_them():
    recipe = Recipe(max_seq_length=48, max_predictions_per_seq=9, masked_lm_prob=0.25)
    tokens, pairs = random_records(recipe, 300)
    features = make(tokens, pairs, recipe)
    lots = masking.random_bits(pairs["mask_key"], num=48, stream=0)
    places = chosen_places(features)
    for row, ids in enumerate(unmask(features)):
        budget = min(9, max(1, round(int(features.input_mask[row].sum()) * 0.25)))
        expected: set[int] = set()
        for word in sorted(words_of(ids), key=lambda word, row=row: lots[row, word[0]]):
            if len(expected) + len(word) <= budget:
                expected.update(word)
        assert places[row] == expected


def test_a_word_does_not_span_a_separator():
    # The second segment begins inside a word: its rest there is a word of its own.
    tokens = make_tokens([1, 4, 1])
    features = make(
        tokens,
        alike(400, first=3, second=3),
        Recipe(max_seq_length=16, max_predictions_per_seq=2, masked_lm_prob=0.25),
    )
    seen = {frozenset(places) for places in chosen_places(features)}
    assert seen == {frozenset(places) for places in [(1, 7), (2, 3), (5, 6)]}


def test_a_segment_may_begin_with_the_rest_of_a_word():
    tokens = make_tokens([3, 3])[1:]
    features = make(
        tokens,
        alike(200, first=2, second=3),
        Recipe(max_seq_length=16, max_predictions_per_seq=3, masked_lm_prob=0.4),
    )
    assert {frozenset(places) for places in chosen_places(features)} == {
        frozenset((1, 2)),
        frozenset((4, 5, 6)),
    }


def test_a_record_whose_words_are_all_too_long_gets_no_prediction():
    features = make(
        np.concatenate([make_tokens([3, 3]), make_tokens([1] * 6)]),
        alike(3, first=3, second=3),
        Recipe(max_seq_length=16, max_predictions_per_seq=2),
    )
    for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
        assert not getattr(features, name).any()
    assert not (features.input_ids == MASK).any()


def test_words_of_equal_length_are_chosen_equally_often():
    features = make(
        make_tokens([2] * 12),
        alike(20_000, first=10, second=14),
        Recipe(max_seq_length=32, max_predictions_per_seq=4, masked_lm_prob=0.15),
    )
    assert (features.masked_lm_weights.sum(axis=1) == 4).all()
    counts = np.bincount(features.masked_lm_positions.ravel(), minlength=32)
    heads = [*range(1, 11, 2), *range(12, 26, 2)]
    for head in heads:
        assert counts[head] == counts[head + 1]
        assert_share(counts[head], 20_000, probability=2 / 12)


def test_pieces_are_masked_kept_and_exchanged_80_10_10_each_by_itself():
    features = make(make_tokens([2] * 60), alike(3_000, first=60, second=60), Recipe())
    chosen = features.masked_lm_weights > 0
    shown = np.take_along_axis(features.input_ids, features.masked_lm_positions, axis=1)
    total, hit = int(chosen.sum()), 0.1 / VOCAB_SIZE
    assert total == 3_000 * 18
    masked = (shown == MASK) & chosen
    assert_share(masked.sum(), total, probability=0.8 + hit)
    kept = (shown == features.masked_lm_ids) & chosen
    assert_share(kept.sum(), total, probability=0.1 + hit)
    both = (masked[:, 0:18:2] & masked[:, 1:18:2]).sum()
    assert_share(both, total // 2, probability=(0.8 + hit) ** 2)


def test_a_record_is_masked_alike_in_whatever_batch_it_is():
    recipe = Recipe(max_seq_length=48, max_predictions_per_seq=9)
    tokens, pairs = random_records(recipe, 60)
    whole = make(tokens, pairs, recipe)
    for rows in ([30, 7], [59], list(range(60))[::-1]):
        part = make(tokens, pairs[rows], recipe)
        np.testing.assert_array_equal(part.input_ids, whole.input_ids[rows])
        np.testing.assert_array_equal(part.masked_lm_positions, whole.masked_lm_positions[rows])


def test_only_tokens_that_begin_with_the_marker_continue_a_word():
    vocabulary = ["[PAD]", "#", "##", "##s", "a##", "s"]
    expected = [False, False, True, True, False, False]
    assert whole_words.continuation_pieces(vocabulary).tolist() == expected


def test_an_empty_batch_stays_empty():
    features = make(make_tokens([2, 1]), np.zeros(0, PAIR_DTYPE), Recipe())
    assert features.input_ids.shape == (0, 128)
    assert features.masked_lm_positions.shape == (0, 20)
