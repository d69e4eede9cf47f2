"""Makes pretraining features of sentence pairs: special tokens, segments and masked tokens.

Legend: records = pairs in one batch, seq = max_seq_length, predictions = max_predictions_per_seq.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf.pretraining_example import KEEP_SHARE_OF_REST, MASK_SHARE
from tfrecords_tools.recipe import whole_words
from tfrecords_tools.recipe.recipe import NUM_PAIR_SPECIALS, Recipe

BATCH_RECORDS = 1_024  # masked at once


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """Ids that the recipe itself places."""

    cls_id: int
    sep_id: int
    mask_id: int
    vocab_size: int  # a random word is any of these ids


@dataclasses.dataclass(frozen=True)
class Features:
    """What `mslt_tf.pretraining_example.FEATURES` names, for a batch of records."""

    input_ids: npt.NDArray[np.int32]  # [records, seq]
    input_mask: npt.NDArray[np.int32]  # [records, seq]
    segment_ids: npt.NDArray[np.int32]  # [records, seq]
    masked_lm_positions: npt.NDArray[np.int32]  # [records, predictions]
    masked_lm_ids: npt.NDArray[np.int32]  # [records, predictions]
    masked_lm_weights: npt.NDArray[np.float32]  # [records, predictions]
    next_sentence_labels: npt.NDArray[np.int32]  # [records, 1]


def make_features(
    tokens: npt.NDArray[np.int32],
    pairs: npt.NDArray[Any],
    *,
    recipe: Recipe,
    special: SpecialTokens,
    continues_word: npt.NDArray[np.bool_] | None = None,
) -> Features:
    """Returns the features of `pairs`.

    Args:
        tokens: [tokens] of all documents.
        pairs: PAIR_DTYPE [records], which point into `tokens`.
        recipe: lengths and probabilities.
        special: ids that are no text.
        continues_word: None to predict single tokens; or [vocab], whether a token goes on with the
            word before it, to predict whole words, see whole_words.py.
    """
    lengths = pairs["first_length"] + pairs["second_length"] + NUM_PAIR_SPECIALS  # [records]
    position = np.arange(recipe.max_seq_length, dtype=np.int32)[None, :]  # [1, seq]
    in_record = position < lengths[:, None]  # [records, seq]
    in_second = in_record & (position >= pairs["first_length"][:, None] + 2)  # with its [SEP]
    original, is_token = _place_tokens(tokens, pairs, in_record, special)
    budgets = num_predictions(lengths, recipe=recipe)
    lots = random_bits(pairs["mask_key"], num=recipe.max_seq_length, stream=0)
    if continues_word is None:
        chosen = choose_tokens(lots, is_token, budgets)
    else:
        begins_word = whole_words.find_begins(is_token, continues_word[original])
        chosen = whole_words.choose_words(lots, is_token, begins_word, budgets)
    positions, weights = _list_positions(chosen, recipe.max_predictions_per_seq)
    labels = np.where(weights, np.take_along_axis(original, positions, axis=1), 0)
    return Features(
        input_ids=_replace(original, positions, labels, weights, pairs["mask_key"], special),
        input_mask=in_record.astype(np.int32),
        segment_ids=in_second.astype(np.int32),
        masked_lm_positions=positions,
        masked_lm_ids=labels.astype(np.int32),
        masked_lm_weights=weights.astype(np.float32),
        next_sentence_labels=pairs["sentence_label"][:, None].astype(np.int32),
    )


def make_batches(
    tokens: npt.NDArray[np.int32],
    pairs: npt.NDArray[Any],
    *,
    recipe: Recipe,
    special: SpecialTokens,
    continues_word: npt.NDArray[np.bool_] | None = None,
) -> Iterator[Features]:
    """Yields the features of `pairs`, some records at a time; arguments as of `make_features`."""
    for begin in range(0, len(pairs), BATCH_RECORDS):
        yield make_features(
            tokens,
            pairs[begin : begin + BATCH_RECORDS],
            recipe=recipe,
            special=special,
            continues_word=continues_word,
        )


def _place_tokens(
    tokens: npt.NDArray[np.int32],
    pairs: npt.NDArray[Any],
    in_record: npt.NDArray[np.bool_],
    special: SpecialTokens,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Returns (ids before masking, whether a text token stands there), both [records, seq]."""
    records = np.arange(len(pairs))
    first_sep = pairs["first_length"] + 1  # [records], the place of the first [SEP]
    second_sep = first_sep + pairs["second_length"] + 1
    is_token = in_record.copy()
    is_token[:, 0] = False
    is_token[records, first_sep] = is_token[records, second_sep] = False
    position = np.arange(in_record.shape[1])
    start = np.where(  # [records, seq], of the text that would have token 0 at position 0
        position <= first_sep[:, None],
        pairs["first_start"][:, None] - 1,
        (pairs["second_start"] - first_sep - 1)[:, None],
    )
    source = np.where(is_token, start + position, 0)
    original = np.where(is_token, tokens[source], 0).astype(np.int32, copy=False)
    original[:, 0] = special.cls_id
    original[records, first_sep] = original[records, second_sep] = special.sep_id
    return original, is_token


def num_predictions(lengths: npt.NDArray[np.int32], *, recipe: Recipe) -> npt.NDArray[np.int64]:
    """Returns how many tokens to predict, [records], of records with `lengths` tokens.

    Special tokens count as tokens here, as in BERT, though they are not predicted.
    """
    wanted = np.rint(lengths * recipe.masked_lm_prob).astype(np.int64)
    wanted = np.clip(wanted, 1, recipe.max_predictions_per_seq)
    # With a masked_lm_prob near 1 the formula, which counts special tokens, asks for too many.
    return np.minimum(wanted, lengths - NUM_PAIR_SPECIALS)


def choose_tokens(
    lots: npt.NDArray[np.uint64],
    is_token: npt.NDArray[np.bool_],
    budgets: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Chooses the tokens with the smallest lots, so each is as likely as any other.

    Args:
        lots: [records, seq] random numbers, in each record all different.
        is_token: [records, seq] whether a text token (no special one, no padding) stands there.
        budgets: [records] how many to choose; at least 1, at most as many as there are.

    Returns:
        [records, seq] whether the token is chosen.
    """
    lots = np.where(is_token, lots, np.iinfo(np.uint64).max)
    # A sort of numbers takes a fifth of the time of a sort of places.
    greatest = np.take_along_axis(np.sort(lots, axis=1), budgets[:, None] - 1, axis=1)
    chosen: npt.NDArray[np.bool_] = is_token & (lots <= greatest)
    return chosen


def _list_positions(
    chosen: npt.NDArray[np.bool_], max_predictions_per_seq: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Lists the places that are `chosen` [records, seq].

    Returns:
        (positions, is_prediction), both [records, predictions]; positions ascend and are followed
        by 0 where there is no prediction.
    """
    counts = np.count_nonzero(chosen, axis=1)
    is_prediction = np.arange(max_predictions_per_seq) < counts[:, None]
    positions = np.zeros(is_prediction.shape, np.int32)
    positions[is_prediction] = np.nonzero(chosen)[1]
    return positions, is_prediction


def _replace(
    original: npt.NDArray[np.int32],
    positions: npt.NDArray[np.int32],
    labels: npt.NDArray[np.int32],
    is_prediction: npt.NDArray[np.bool_],
    keys: npt.NDArray[np.uint64],
    special: SpecialTokens,
) -> npt.NDArray[np.int32]:
    """Returns `original` [records, seq] with the predicted tokens masked, kept or exchanged."""
    num = positions.shape[1]
    masked = uniform(random_bits(keys, num=num, stream=1)) < MASK_SHARE
    kept = uniform(random_bits(keys, num=num, stream=2)) < KEEP_SHARE_OF_REST
    words = random_bits(keys, num=num, stream=3) % np.uint64(special.vocab_size)
    shown = np.where(masked, special.mask_id, np.where(kept, labels, words.astype(np.int32)))
    input_ids = original.copy()
    row = np.nonzero(is_prediction)[0]
    input_ids[row, positions[is_prediction]] = shown[is_prediction]
    return input_ids


def random_bits(keys: npt.NDArray[np.uint64], *, num: int, stream: int) -> npt.NDArray[np.uint64]:
    """Returns [records, num] random numbers that depend on a record's key and `stream` alone.

    SplitMix64 (Steele, Lea and Flood 2014) is a mix of (key + n x golden ratio): a batch needs
    no loop over generators, and a record is masked alike in whichever batch it comes.
    """
    golden, mix_1, mix_2 = (
        np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
    )
    # Streams lie 2**32 numbers apart, so they never meet.
    number = np.arange(1, num + 1, dtype=np.uint64) + np.uint64(stream << 32)
    bits = keys[:, None] + number * golden  # wraps around, as it should
    bits = (bits ^ (bits >> np.uint64(30))) * mix_1
    bits = (bits ^ (bits >> np.uint64(27))) * mix_2
    mixed: npt.NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed


def uniform(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """Returns the numbers in [0, 1) that the upper 53 bits stand for."""
    fraction: npt.NDArray[np.float64] = (bits >> np.uint64(11)) * 2.0**-53
    return fraction
