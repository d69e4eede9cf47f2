"""LayerNorm over the last axis, with statistics in float32."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.dropout import drop
from mslt_tf.modeling.linear import add_bias
from mslt_tf.modeling.one_pass import one_pass
from mslt_tf.modeling.sums import bias_gradient, column_sums, row_means


class LayerNorm(tf.keras.layers.Layer):
    """Brings the last axis to mean 0 and variance 1, then scales by gamma and adds beta."""

    def __init__(self, size: int, *, epsilon: float, path: str, dtype: str):
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self._epsilon = epsilon
        self.gamma = self.add_weight(
            name=f"{path}/gamma", shape=[size], initializer="ones", experimental_autocast=False
        )
        self.beta = self.add_weight(
            name=f"{path}/beta", shape=[size], initializer="zeros", experimental_autocast=False
        )

    def call(
        self,
        x: tf.Tensor,
        bias: tf.Tensor | tf.Variable | None = None,
        residual: tf.Tensor | None = None,
        dropout_key: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalises dropout(x + bias) + residual, [..., size].

        Args:
            x: [..., size], in the compute type.
            bias: [size], or None for none.
            residual: like x, or None for none.
            dropout_key: of `dropout.make_key`, or None for no dropout.
        """
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        epsilon = tf.constant(self._epsilon)

        @tf.custom_gradient
        def normalize(
            x: tf.Tensor, bias: tf.Tensor, residual: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
        ) -> tuple[tf.Tensor, Callable]:
            y, normalized, scale = _forward(x, bias, residual, gamma, beta, epsilon, dropout_key)

            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
                to_x, to_sum = _backward(upstream, normalized, scale, gamma, dropout_key)
                to_parameters = _parameter_gradients(upstream, normalized)
                return to_x, bias_gradient(to_x), to_sum, *to_parameters

            return y, gradient

        bias = tf.zeros([x.shape[-1]], x.dtype) if bias is None else tf.convert_to_tensor(bias)
        return normalize(x, bias, tf.zeros_like(x) if residual is None else residual, gamma, beta)


@one_pass
def _forward(
    x: tf.Tensor,
    bias: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: tf.Tensor,
    dropout_key: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the output, what it was before gamma and beta, and 1 / standard deviation."""
    biased = add_bias(x, bias)
    dropped = biased if dropout_key is None else drop(biased, dropout_key)
    total = tf.cast(residual, tf.float32) + dropped
    centered = total - row_means(total)
    scale = tf.math.rsqrt(row_means(tf.square(centered)) + epsilon)
    normalized = centered * scale
    return tf.cast(normalized * gamma + beta, x.dtype), tf.cast(normalized, x.dtype), scale


@one_pass
def _backward(
    upstream: tf.Tensor,
    normalized: tf.Tensor,
    scale: tf.Tensor,
    gamma: tf.Tensor,
    dropout_key: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients to x and to the residual."""
    normalized = tf.cast(normalized, tf.float32)
    gradient = tf.cast(upstream, tf.float32) * gamma
    gradient -= row_means(gradient) + normalized * row_means(gradient * normalized)
    to_sum = tf.cast(gradient * scale, upstream.dtype)
    return to_sum if dropout_key is None else drop(to_sum, dropout_key), to_sum


@one_pass
def _parameter_gradients(upstream: tf.Tensor, normalized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients to gamma and beta."""
    upstream = tf.cast(upstream, tf.float32)
    return column_sums(upstream * tf.cast(normalized, tf.float32)), column_sums(upstream)
