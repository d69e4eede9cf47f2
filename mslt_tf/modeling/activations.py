"""The two forms of GELU: x times the normal distribution function of x (Hendrycks, Gimpel 2016).

They follow an affine map, and add its bias in their own pass over memory. Both are computed in
float32, and their gradients start from x again. Left to itself, TensorFlow keeps what lies between
as well, which took a seventh of all memory in a stack of encoder layers (benchmarks/README.md).
"""

import math
from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.linear import add_bias
from mslt_tf.modeling.one_pass import one_pass
from mslt_tf.modeling.sums import bias_gradient

_CUBIC = 0.044715  # of the tanh form


Activation = Callable[[tf.Tensor, tf.Tensor | tf.Variable], tf.Tensor]


def gelu(hidden_act: str) -> Activation:
    """Returns the activation that bert_config.json calls `hidden_act`: "gelu" or "gelu_new".

    It is a function of x [..., size] and of a bias [size], which is added to x before.
    """
    forward, backward = {
        "gelu": (_erf_gelu, _erf_gelu_gradient),
        "gelu_new": (_tanh_gelu, _tanh_gelu_gradient),
    }[hidden_act]

    @tf.custom_gradient
    def activation(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_x = backward(x, bias, upstream)
            return to_x, bias_gradient(to_x)

        return forward(x, bias), gradient

    return lambda x, bias: activation(x, tf.convert_to_tensor(bias))


@one_pass
def _erf_gelu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    wide = add_bias(x, bias)
    return tf.cast(wide * _normal_cdf(wide), x.dtype)


@one_pass
def _erf_gelu_gradient(x: tf.Tensor, bias: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    wide = add_bias(x, bias)
    density = tf.exp(-0.5 * tf.square(wide)) * (1 / math.sqrt(2 * math.pi))
    slope = _normal_cdf(wide) + wide * density
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


@one_pass
def _tanh_gelu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    wide = add_bias(x, bias)
    return tf.cast(0.5 * wide * (1.0 + tf.tanh(_tanh_argument(wide))), x.dtype)


@one_pass
def _tanh_gelu_gradient(x: tf.Tensor, bias: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    wide = add_bias(x, bias)
    tanh = tf.tanh(_tanh_argument(wide))
    inner_slope = math.sqrt(2 / math.pi) * (1.0 + 3 * _CUBIC * tf.square(wide))
    slope = 0.5 * (1.0 + tanh) + 0.5 * wide * (1.0 - tf.square(tanh)) * inner_slope
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))


def _tanh_argument(x: tf.Tensor) -> tf.Tensor:
    return math.sqrt(2 / math.pi) * (x + _CUBIC * x * tf.square(x))
