"""Makes pretraining features of sentence pairs: special tokens, segments and masked tokens.

Legend: records = pairs in one batch, seq = max_seq_length, predictions = max_predictions_per_seq.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrecords_tools.recipe import Recipe

MASK_SHARE = 0.8  # of the predicted tokens become [MASK]; half of the others stay as they are
KEEP_SHARE_OF_REST = 0.5


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
) -> Features:
    """Returns the features of `pairs`, a PAIR_DTYPE [records] that points into `tokens`."""
    first_length = pairs["first_length"][:, None]  # [records, 1]
    lengths = first_length + pairs["second_length"][:, None] + 3  # [records, 1]
    position = np.arange(recipe.max_seq_length)[None, :]  # [1, seq]
    in_first = (position >= 1) & (position <= first_length)  # [records, seq]
    in_second = (position >= first_length + 2) & (position < lengths - 1)
    source = np.where(
        in_first,
        pairs["first_start"][:, None] + position - 1,
        pairs["second_start"][:, None] + position - first_length - 2,
    )
    is_token = in_first | in_second
    original = np.where(is_token, tokens[np.where(is_token, source, 0)], 0).astype(np.int32)
    original[:, 0] = special.cls_id
    original[(position == first_length + 1) | (position == lengths - 1)] = special.sep_id
    positions, weights = choose_positions(is_token, lengths[:, 0], pairs["mask_key"], recipe=recipe)
    labels = np.where(weights, np.take_along_axis(original, positions, axis=1), 0)
    return Features(
        input_ids=_replace(original, positions, labels, weights, pairs["mask_key"], special),
        input_mask=(position < lengths).astype(np.int32),
        segment_ids=((position >= first_length + 2) & (position < lengths)).astype(np.int32),
        masked_lm_positions=positions,
        masked_lm_ids=labels.astype(np.int32),
        masked_lm_weights=weights.astype(np.float32),
        next_sentence_labels=pairs["sentence_label"][:, None].astype(np.int32),
    )


def choose_positions(
    is_token: npt.NDArray[np.bool_],
    lengths: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    *,
    recipe: Recipe,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Chooses the tokens to predict, each as likely as any other.

    Args:
        is_token: [records, seq] whether a text token (no special one, no padding) stands there.
        lengths: [records] tokens of the record, special ones included.
        keys: [records] the records' random keys.
        recipe: gives the number of predictions.

    Returns:
        (positions, is_prediction), both [records, predictions]; positions ascend and are followed
        by 0 where there is no prediction.
    """
    num_predictions = np.rint(lengths * recipe.masked_lm_prob).astype(np.int64)
    num_predictions = np.clip(num_predictions, 1, recipe.max_predictions_per_seq)
    # With a masked_lm_prob near 1 the formula, which counts special tokens, asks for too many.
    num_predictions = np.minimum(num_predictions, is_token.sum(axis=1))
    seq_length = is_token.shape[1]
    lot = random_bits(keys, num=seq_length, stream=0)  # the smallest lots are chosen
    lot[~is_token] = np.iinfo(np.uint64).max
    chosen = np.argsort(lot, axis=1)[:, : recipe.max_predictions_per_seq]
    # A recipe may ask for more predictions than the record is long.
    missing = recipe.max_predictions_per_seq - chosen.shape[1]
    chosen = np.pad(chosen, ((0, 0), (0, missing)))
    is_prediction = np.arange(recipe.max_predictions_per_seq) < num_predictions[:, None]
    positions = np.sort(np.where(is_prediction, chosen, seq_length), axis=1)
    return np.where(is_prediction, positions, 0).astype(np.int32), is_prediction


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
