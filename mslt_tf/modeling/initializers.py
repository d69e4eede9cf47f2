"""Initial weights that depend on a seed and on the variable's own name only.

A model of 3 layers and one of 12 therefore start with the same first 3 layers, and nothing depends
on the order in which variables are made.
"""

import zlib
from collections.abc import Callable

import tensorflow as tf

Initializer = Callable[..., tf.Tensor]


def named_truncated_normal(name: str, *, stddev: float, seed: int) -> Initializer:
    """Returns an initialiser for the variable `name`: normal, cut at two standard deviations."""
    stream = tf.constant([seed, zlib.crc32(name.encode())], tf.int64)

    def initialize(shape: tf.TensorShape, dtype: tf.DType = tf.float32) -> tf.Tensor:
        return tf.random.stateless_truncated_normal(
            shape, stream, stddev=stddev, dtype=dtype, alg="philox"
        )

    return initialize
