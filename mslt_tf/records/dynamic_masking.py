"""Masks drawn anew each time a record is read, as RoBERTa's (Liu et al. 2019, arXiv 1907.11692).

Any record of BERT's will do: its own masks are undone first, which gives back the source text, and
others are drawn by BERT's recipe. They are a function of (seed, sequence length, position in the
stream of records) alone: a resumed run draws what it would have drawn, in batches of any size, and
as no position comes twice, no two records and no two readings of a record share their masks.

A word is a token, or a token and those that go on with it; it goes by the place of its first one.

Legend: seq = max_seq_length, predictions = max_predictions_per_seq.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from mslt_tf.config import DynamicMasking
from mslt_tf.pretraining_example import KEEP_SHARE_OF_REST, MASK_SHARE
from mslt_tf.records.batch import Batch
from mslt_tf.vocabulary import CONTINUATION

MASKED_LM_PROB = 0.15  # of a record's length, how many tokens are predicted


@dataclasses.dataclass(frozen=True)
class Masking:
    """What masks are drawn with."""

    cls_id: int
    sep_id: int
    mask_id: int
    vocab_size: int  # a random word is any of these ids
    continuation_ids: tuple[int, ...] = ()  # of tokens that go with the word before them


def make_masking(choice: DynamicMasking, vocabulary: Sequence[str]) -> Masking | None:
    """Returns what `--dynamic_masking` asks for; None where masks are to stay as stored."""
    if choice == "off":
        return None
    continuations = [i for i, token in enumerate(vocabulary) if token.startswith(CONTINUATION)]
    return Masking(
        cls_id=vocabulary.index("[CLS]"),
        sep_id=vocabulary.index("[SEP]"),
        mask_id=vocabulary.index("[MASK]"),
        vocab_size=len(vocabulary),
        continuation_ids=tuple(continuations) if choice == "whole_word" else (),
    )


def record_keys(positions: tf.Tensor, *, seed: int, seq_length: int) -> tf.Tensor:
    """Returns the random keys uint64 [batch] of the records at `positions` int64 [batch].

    All positions of one length have different keys. Those of another length count from 0 again;
    with the length in them their keys are others.
    """
    base = np.random.SeedSequence([seed, seq_length]).generate_state(1, np.uint64)
    return _random_bits(tf.constant(base), tf.cast(positions, tf.uint64))[0]


def mask_anew(batch: Batch, keys: tf.Tensor, *, masking: Masking) -> Batch:
    """Returns a batch of the same records with the masks that belong to `keys`.

    Args:
        batch: by BERT's feature names.
        keys: uint64 [batch] the records' random keys.
        masking: special tokens and words.
    """
    source = unmask(batch)
    positions, is_prediction = choose_positions(
        source,
        batch["input_mask"],
        keys,
        num_slots=batch["masked_lm_positions"].shape[1],
        masking=masking,
    )
    labels = tf.where(is_prediction, tf.gather(source, positions, batch_dims=1), 0)
    shown = _shown(labels, keys, masking=masking)
    return {
        **batch,
        "input_ids": _put(source, positions, shown, is_real=is_prediction),
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "masked_lm_weights": tf.cast(is_prediction, tf.float32),
    }


def unmask(batch: Batch) -> tf.Tensor:
    """Returns the source text of a batch, int32 [batch, seq]: each label back in its place."""
    return _put(
        batch["input_ids"],
        batch["masked_lm_positions"],
        batch["masked_lm_ids"],
        is_real=batch["masked_lm_weights"] > 0,
    )


def choose_positions(
    source: tf.Tensor,
    input_mask: tf.Tensor,
    keys: tf.Tensor,
    *,
    num_slots: int,
    masking: Masking,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Chooses the tokens to predict: words in random order, each that the budget has room for.

    Args:
        source: int32 [batch, seq] token ids, unmasked.
        input_mask: int32 [batch, seq].
        keys: uint64 [batch].
        num_slots: the number of predictions that a record has place for.
        masking: special tokens and words.

    Returns:
        Positions int32 and whether each is a prediction, bool, both [batch, predictions]; positions
        ascend and are followed by 0 where there is no prediction.
    """
    seq_length = source.shape[1]
    is_token = (input_mask > 0) & (source != masking.cls_id) & (source != masking.sep_id)
    word = _words(source, is_token, masking=masking)  # [batch, seq]
    sizes = _sum_by_index(tf.cast(is_token, tf.int32), word)  # [batch, seq], by word
    lots = _random_bits(keys, tf.range(seq_length, dtype=tf.int64))
    order = tf.math.top_k(tf.bitwise.invert(lots), seq_length).indices  # the smallest lot first
    lengths = tf.cast(tf.reduce_sum(input_mask, axis=1, keepdims=True), tf.float64)
    budget = tf.cast(tf.round(lengths * MASKED_LM_PROB), tf.int32)  # [batch, 1]; half to even
    budget = tf.clip_by_value(budget, 1, num_slots)
    taken = _take(tf.gather(sizes, order, batch_dims=1), budget)  # [batch, seq], by rank
    is_chosen = _sum_by_index(tf.cast(taken, tf.int32), order)  # [batch, seq], by word
    is_chosen = is_token & (tf.gather(is_chosen, word, batch_dims=1) > 0)  # by position
    chosen = tf.where(is_chosen, tf.range(seq_length), seq_length)
    chosen = -tf.math.top_k(-chosen, num_slots).values  # [batch, predictions], ascending
    is_prediction = chosen < seq_length
    return tf.where(is_prediction, chosen, 0), is_prediction


def _words(source: tf.Tensor, is_token: tf.Tensor, *, masking: Masking) -> tf.Tensor:
    """Returns the place of the first token of each token's word, int32 [batch, seq].

    A continuation behind a special token, the rest of a word that was cut, is a word of its own.
    What is no token may have any place.
    """
    place = tf.zeros_like(source) + tf.range(source.shape[1])
    if not masking.continuation_ids:
        return place
    table = np.zeros(masking.vocab_size, bool)
    table[list(masking.continuation_ids)] = True
    follows_token = tf.pad(is_token[:, :-1], [[0, 0], [1, 0]])
    starts = is_token & ~(tf.gather(tf.constant(table), source) & follows_token)
    number = tf.maximum(tf.cumsum(tf.cast(starts, tf.int32), axis=1) - 1, 0)
    first = _sum_by_index(tf.where(starts, place, 0), number)  # [batch, seq], by number
    return tf.gather(first, number, batch_dims=1)


def _take(sizes: tf.Tensor, budget: tf.Tensor) -> tf.Tensor:
    """Goes through words in order and takes each that there is still room for.

    Not word by word: room only shrinks, so with the first word that has no room, all later ones
    that are larger than what is left can be skipped at once. Some rounds end it for any length.

    Args:
        sizes: int32 [batch, seq] tokens of each word, 0 for none.
        budget: int32 [batch, 1].

    Returns:
        Whether each word is taken, bool [batch, seq].
    """

    def fits(skipped: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        totals = tf.cumsum(tf.where(skipped, 0, sizes), axis=1)
        room = budget - tf.reduce_max(tf.where(totals <= budget, totals, 0), axis=1, keepdims=True)
        return totals <= budget, room

    def is_open(skipped: tf.Tensor) -> tf.Tensor:
        return ~tf.reduce_all(skipped | fits(skipped)[0])

    def skip(skipped: tf.Tensor) -> list[tf.Tensor]:
        has_room, room = fits(skipped)
        return [skipped | ~has_room & (sizes > room)]

    (skipped,) = tf.while_loop(is_open, skip, [tf.zeros_like(sizes, tf.bool)])
    return ~skipped & (sizes > 0)


def _shown(labels: tf.Tensor, keys: tf.Tensor, *, masking: Masking) -> tf.Tensor:
    """Returns what stands in the place of `labels`, both int32 [batch, predictions]."""

    def bits(stream: int) -> tf.Tensor:  # streams lie 2**32 numbers apart, so they never meet
        return _random_bits(keys, tf.range(labels.shape[1], dtype=tf.int64) + (stream << 32))

    masked = _uniform_below(MASK_SHARE, bits(1))
    kept = _uniform_below(KEEP_SHARE_OF_REST, bits(2))
    words = tf.cast(bits(3) % np.uint64(masking.vocab_size), tf.int32)
    return tf.where(masked, masking.mask_id, tf.where(kept, labels, words))


def _put(
    ids: tf.Tensor, positions: tf.Tensor, values: tf.Tensor, *, is_real: tf.Tensor
) -> tf.Tensor:
    """Returns `ids` [batch, seq] with `values` at the real ones of `positions` [batch, slots]."""
    seq_length = ids.shape[1]
    widened = tf.pad(ids, [[0, 0], [0, 1]])  # the last column takes what is not real
    columns = tf.where(is_real, positions, seq_length)
    rows = tf.zeros_like(columns) + tf.range(tf.shape(ids)[0])[:, None]
    widened = tf.tensor_scatter_nd_update(widened, tf.stack([rows, columns], axis=-1), values)
    return widened[:, :seq_length]


def _sum_by_index(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns [batch, seq] sums of `values` over equal `index`, row by row; both [batch, seq]."""
    shape = tf.shape(values)
    flat = index + tf.range(shape[0])[:, None] * shape[1]
    return tf.reshape(tf.math.unsorted_segment_sum(values, flat, shape[0] * shape[1]), shape)


def _random_bits(keys: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Returns uint64 [keys, numbers], random bits of each key (uint64) and number (64 bits).

    SplitMix64 (Steele, Lea and Flood 2014) mixes key + (number + 1) x golden ratio: one to one, so
    numbers of one key never share their bits. TensorFlow's own generators have one key a tensor.
    """
    golden, mix_1, mix_2 = (
        np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
    )

    def shifted(bits: tf.Tensor, count: int) -> tf.Tensor:
        return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, np.uint64(count)))

    # Sums and products wrap around, as they should.
    bits = keys[:, None] + (tf.cast(numbers, tf.uint64) + np.uint64(1)) * golden
    bits = shifted(bits, 30) * mix_1
    bits = shifted(bits, 27) * mix_2
    return shifted(bits, 31)


def _uniform_below(share: float, bits: tf.Tensor) -> tf.Tensor:
    """Returns bools that are true with probability `share`, by the upper 53 of the 64 `bits`."""
    return tf.cast(tf.bitwise.right_shift(bits, np.uint64(11)), tf.int64) < int(share * 2**53)
