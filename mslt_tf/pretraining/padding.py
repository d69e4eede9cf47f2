"""Micro-batches without the padding that all their sequences end in.

The sequences of an update are all there before its micro-batches are cut, so those of about equal
length can go through together: the update, and so the training, stays the same.
"""

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.records.batch import Batch

T = TypeVar("T")

LENGTH_UNIT = 128  # trimmed sequences have a multiple of so many tokens
_MOST_LENGTHS = 8  # each is a graph of its own, to be compiled


def is_wanted(config: PretrainingConfig) -> bool:
    """Returns whether a run leaves out padding: as told, but never on TPUs."""
    return config.trim_padding and config.distribution_strategy != "tpu"


def can_be_trimmed(*, seq_length: int, num_micro_batches: int) -> bool:
    """Returns whether there may be less to compute; benchmarks/results has what it saves."""
    return num_micro_batches > 1 and seq_length > LENGTH_UNIT


def trimmed_lengths(seq_length: int) -> tuple[int, ...]:
    """Returns the lengths that a micro-batch may be cut to, ascending, the last that of all tokens.

    All but the last are multiples of the first: of 128 tokens, or of more where those were many.
    """
    unit = LENGTH_UNIT * -(-seq_length // (LENGTH_UNIT * _MOST_LENGTHS))
    return (*range(unit, seq_length, unit), seq_length)


def sorted_by_length(batch: Batch) -> Batch:
    """Returns a batch's sequences from the shortest to the longest, equal ones as they come."""
    order = tf.argsort(_lengths(batch), stable=True)
    return {name: tf.gather(values, order) for name, values in batch.items()}


def without_padding(compute: Callable[[Batch], T], batch: Batch) -> T:
    """Returns `compute` of a batch that is cut to the shortest length that holds all its sequences.

    A graph's shapes are fixed when it is built: it has `compute` once for each of
    `trimmed_lengths`, and runs the one that the longest sequence needs.

    Args:
        compute: a function whose results' shapes do not depend on the length.
        batch: sequences that may all end in padding.
    """
    lengths = trimmed_lengths(batch["input_ids"].shape[1])

    def of_length(length: int) -> Callable[[], T]:
        return lambda: compute(_cut(batch, length))

    branches = [of_length(length) for length in lengths]
    return tf.switch_case((tf.reduce_max(_lengths(batch)) - 1) // lengths[0], branches)


def _lengths(batch: Batch) -> tf.Tensor:
    """Returns int32 [batch]: the tokens up to the last that is real, or looked up by the losses."""
    real = batch["input_mask"] * tf.range(1, batch["input_mask"].shape[1] + 1)
    return tf.maximum(
        tf.reduce_max(real, axis=1), 1 + tf.reduce_max(batch["masked_lm_positions"], axis=1)
    )


def _cut(batch: Batch, length: int) -> Batch:
    names = ("input_ids", "input_mask", "segment_ids")
    return {**batch, **{name: batch[name][:, :length] for name in names}}
