"""The two forms of GELU: x times the normal distribution function of x (Hendrycks, Gimpel 2016)."""

import math
from collections.abc import Callable
from typing import Literal

import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Product
from mslt_tf.modeling.sums import bias_gradient

Gelu = Literal["gelu", "gelu_new"]  # as bert_config.json calls the exact (erf) and the tanh form

_CUBIC = 0.044715  # of the tanh form


def bias_gelu(x: Product, kind: Gelu, forms: Forms = Forms.DEFINITIONS) -> tf.Tensor:
    """Returns GELU(x + bias) [..., size] in the type of x; it is computed in float32."""
    if not forms.are_definitions:
        return _fast_bias_gelu(x, kind, forms)
    y = tf.nn.gelu(x.float32_sum(), approximate=kind == "gelu_new")
    return tf.cast(y, x.values.dtype)


def _fast_bias_gelu(x: Product, kind: Gelu, forms: Forms) -> tf.Tensor:
    """Keeps x alone for its gradient.

    Left to itself, TensorFlow keeps what lies between as well, which took a seventh of all memory
    in a stack of encoder layers (benchmarks/results/2026-11-22_layer.md).
    """
    forward, backward = {
        "gelu": (_erf_gelu, _erf_gelu_gradient),
        "gelu_new": (_tanh_gelu, _tanh_gelu_gradient),
    }[kind]

    @tf.custom_gradient
    def activation(values: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_x = forms.one_pass(backward, Product(values, bias), upstream)
            return to_x, bias_gradient(to_x, forms)

        return forms.one_pass(forward, Product(values, bias)), gradient

    return activation(*x)


def _erf_gelu(x: Product) -> tf.Tensor:
    wide = x.float32_sum()
    return tf.cast(wide * _normal_cdf(wide), x.values.dtype)


def _erf_gelu_gradient(x: Product, upstream: tf.Tensor) -> tf.Tensor:
    wide = x.float32_sum()
    density = tf.exp(-0.5 * tf.square(wide)) * (1 / math.sqrt(2 * math.pi))
    slope = _normal_cdf(wide) + wide * density
    return tf.cast(tf.cast(upstream, tf.float32) * slope, upstream.dtype)


def _tanh_gelu(x: Product) -> tf.Tensor:
    wide = x.float32_sum()
    return tf.cast(0.5 * wide * (1.0 + tf.tanh(_tanh_argument(wide))), x.values.dtype)


def _tanh_gelu_gradient(x: Product, upstream: tf.Tensor) -> tf.Tensor:
    wide = x.float32_sum()
    tanh = tf.tanh(_tanh_argument(wide))
    inner_slope = math.sqrt(2 / math.pi) * (1.0 + 3 * _CUBIC * tf.square(wide))
    slope = 0.5 * (1.0 + tanh) + 0.5 * wide * (1.0 - tf.square(tanh)) * inner_slope
    return tf.cast(tf.cast(upstream, tf.float32) * slope, upstream.dtype)


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))


def _tanh_argument(x: tf.Tensor) -> tf.Tensor:
    return math.sqrt(2 / math.pi) * (x + _CUBIC * x * tf.square(x))
