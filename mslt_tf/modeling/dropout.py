"""Stateless dropout: which units are dropped is a function of (seed, site) and of nothing else.

A *site* is a fixed number for one place in the model (this file lists them), so no two places share
their random numbers, and the same seed gives the same model output whenever and wherever it is run.
"""

import enum

import tensorflow as tf

_BITS = 16  # random bits per unit: halves the cost of 32, and 1/65536 is fine enough


class Place(enum.IntEnum):
    """The dropout places within one encoder layer."""

    ATTENTION_PROBS = 0
    ATTENTION_OUTPUT = 1
    FEED_FORWARD_OUTPUT = 2


EMBEDDINGS_SITE = 0


def encoder_site(layer_index: int, place: Place) -> int:
    """Returns the site number of a place in an encoder layer."""
    return 1 + len(Place) * layer_index + place


def dropout(x: tf.Tensor, rate: float, *, seed: tf.Tensor, site: int) -> tf.Tensor:
    """Sets units to zero with probability `rate` (to the nearest 1/65536) and scales the others.

    Args:
        x: float tensor of any shape but a scalar.
        rate: the probability to drop a unit; 0 returns `x` itself.
        seed: int64 [2].
        site: the number of this place in the model.
    """
    threshold = round(rate * 2**_BITS)
    if threshold == 0:
        return x
    keep = random_bits(tf.shape(x) if None in x.shape else x.shape, seed, site) >= threshold
    scale = 2**_BITS / (2**_BITS - threshold)  # from the probability that 16 bits give
    return x * (tf.cast(keep, x.dtype) * tf.cast(scale, x.dtype))


def random_bits(shape: tf.Tensor | tf.TensorShape, seed: tf.Tensor, site: int) -> tf.Tensor:
    """Returns uniform uint16 numbers of this shape, two of them cut from each 32 bits drawn."""
    # 64 bits, because with 32 some steps of a million would meet in the same folded seed.
    seed = tf.random.experimental.stateless_fold_in(
        tf.cast(seed, tf.int64), tf.constant(site, tf.int64), alg="philox"
    )
    outer, last = shape[:-1], shape[-1]
    pairs = tf.random.stateless_uniform(
        tf.concat([outer, [(last + 1) // 2]], axis=0),
        seed,
        minval=None,
        maxval=None,
        dtype=tf.int32,
        alg="philox",
    )
    bits = tf.bitcast(pairs, tf.uint16)  # [..., (last + 1) // 2, 2]
    bits = tf.reshape(bits, tf.concat([outer, [(last + 1) // 2 * 2]], axis=0))
    return bits[..., :last]
