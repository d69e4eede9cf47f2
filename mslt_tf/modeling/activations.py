"""The two forms of GELU: x times the normal distribution function of x (Hendrycks, Gimpel 2016)."""

import functools
import math
from collections.abc import Callable

import tensorflow as tf


def gelu(hidden_act: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the activation that bert_config.json calls `hidden_act`: "gelu" or "gelu_new"."""
    return {"gelu": erf_gelu, "gelu_new": functools.partial(tf.nn.gelu, approximate=True)}[
        hidden_act
    ]


@tf.custom_gradient
def erf_gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Returns the exact GELU of x, computed in float32.

    The gradient starts from x again. Left to itself, TensorFlow keeps what lies between as well,
    which took a seventh of all memory in a stack of encoder layers (benchmarks/README.md).
    """

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(x, tf.float32)
        density = tf.exp(-0.5 * tf.square(wide)) * (1 / math.sqrt(2 * math.pi))
        slope = _normal_cdf(wide) + wide * density
        return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)

    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * _normal_cdf(wide), x.dtype), gradient


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))
