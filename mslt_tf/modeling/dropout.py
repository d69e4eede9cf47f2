"""Stateless dropout: which units are dropped is a function of (seed, site) and of nothing else.

A *site* is a fixed number for one place in the model (this file lists them), so no two places share
their random numbers, and the same seed gives the same model output whenever and wherever it is run.

The random number of a unit is a hash of its index and the site's key. That is a dozen integer
operations within a pass that is made anyway, and the backward pass draws the same again instead
of reading a mask; a generator of TensorFlow writes its numbers to memory, and took a tenth of the
time of a whole training step.
"""

import enum
import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.shapes import sizes


class Place(enum.IntEnum):
    """The dropout places within one encoder layer."""

    ATTENTION_PROBS = 0
    ATTENTION_OUTPUT = 1
    FEED_FORWARD_OUTPUT = 2


EMBEDDINGS_SITE = 0
TASK_HEAD_SITE = -1  # in fine-tuning; numbers above 0 are the encoder's


def encoder_site(layer_index: int, place: Place) -> int:
    """Returns the site number of a place in an encoder layer."""
    return 1 + len(Place) * layer_index + place


class Key(NamedTuple):
    """Which units of a place in the model are dropped."""

    words: tf.Tensor  # uint32 [4], random
    rate: float  # the probability to drop a unit, above 0 and below 1
    rows: tf.Tensor | None = None  # of `row_numbers`, where some of a place's rows are left out


def make_key(seed: tf.Tensor, site: int, rate: float, rows: tf.Tensor | None = None) -> Key | None:
    """Returns the key of a site, or None, for no dropout, where `rate` is 0.

    Its words are a block of Philox4x32-10 (Salmon et al. 2011) with the site as the generator's key
    and the seed as its counter.

    Args:
        seed: integers [2].
        site: the number of this place in the model.
        rate: the probability to drop a unit, below 1.
        rows: of `row_numbers`; None where the place has all its rows.
    """
    if not rate:
        return None
    # A counter-based generator gives each pair of a key and a counter a block of four words. The
    # public functions would take a dozen small operations to make such a pair of seed and site.
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[4],
        key=tf.constant([site % 2**64], tf.uint64),
        counter=tf.bitcast(tf.cast(seed, tf.int64), tf.uint64),
        alg=tf.random.Algorithm.PHILOX.value,
        dtype=tf.uint32,
    )
    return Key(words, rate, rows)


def row_numbers(positions: tf.Tensor, seq_length: tf.Tensor | int, heads: int = 1) -> tf.Tensor:
    """Returns which rows of [batch, heads, seq, units] those at some positions are.

    By them, a row drops the same units whether or not the rows around it are computed.

    Args:
        positions: int32 [batch, positions].
        seq_length: of all rows.
        heads: 1 where there is no such axis.

    Returns:
        uint32 [batch * heads * positions].
    """
    first_rows = _range(sizes(positions)[0] * heads) * tf.cast(seq_length, tf.uint32)
    first_rows = tf.reshape(first_rows, [-1, heads, 1])
    return tf.reshape(first_rows + tf.cast(positions, tf.uint32)[:, tf.newaxis], [-1])


def drop(x: tf.Tensor, key: Key | None, forms: Forms = Forms.DEFINITIONS) -> tf.Tensor:
    """Returns `x` with the units of a key set to zero and the others scaled up.

    Args:
        x: of any shape but a scalar.
        key: of `make_key`; None returns `x` itself.
        forms: how to compute it. Within one pass the definition serves.
    """
    if key is None:
        return x
    if not forms.are_definitions:
        return _fast_drop(x, key, forms)
    threshold = round(key.rate * 2**32)  # that the number of a unit must reach to be kept
    kept = random_words(x, key.words, key.rows) >= _word(threshold)
    # Not scaled in a short type: bfloat16 would make 1.1094 of 1 / 0.9.
    scaled = tf.cast(x, tf.float32) * (2**32 / (2**32 - threshold))
    return tf.cast(tf.where(kept, scaled, 0.0), x.dtype)


def _fast_drop(x: tf.Tensor, key: Key, forms: Forms) -> tf.Tensor:
    """Keeps nothing: the gradient is the same function of the upstream gradient."""

    @tf.custom_gradient
    def dropped(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return forms.one_pass(drop, x, key), lambda upstream: forms.one_pass(drop, upstream, key)

    return dropped(x)


def random_words(x: tf.Tensor, words: tf.Tensor, rows: tf.Tensor | None = None) -> tf.Tensor:
    """Returns uniform uint32 numbers of the shape of `x`: hashes of the units' indices.

    `rows` are the numbers of the rows of `x`; without, they are counted.

    The mixing is that of MurmurHash3's finalizer (shifts and multiplications that let each bit of
    the input change half of the bits of the output), with a word of the key between the rounds.
    """
    *leading, num_columns = shape = sizes(x)
    if rows is None:
        rows = _range(math.prod(leading))
    # From two short ranges: TensorFlow makes ranges on the host, also for a GPU.
    index = rows[:, tf.newaxis] * tf.cast(num_columns, tf.uint32) + _range(num_columns)
    first, second, third, fourth = tf.unstack(words, num=4)
    # An odd factor: other keys give other places in the sequence of all numbers.
    mixed = index * _word(0x9E3779B1) + first
    mixed = _fold_down(mixed, 16) * _word(0x85EBCA6B) + second
    mixed = _fold_down(mixed, 13) * _word(0xC2B2AE35) + third
    mixed = _fold_down(mixed, 16) * _word(0x27D4EB2F) + fourth
    return tf.reshape(_fold_down(mixed, 15), shape)


def _fold_down(mixed: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, _word(shift)))


def _range(count: tf.Tensor | int) -> tf.Tensor:
    return tf.bitcast(tf.range(count, dtype=tf.int32), tf.uint32)


def _word(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)
