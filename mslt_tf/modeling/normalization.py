"""LayerNorm over the last axis, with statistics in float32."""

import tensorflow as tf

from mslt_tf.modeling.dropout import drop
from mslt_tf.modeling.one_pass import one_pass


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
        residual: tf.Tensor | None = None,
        dropout_key: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalises x [..., size].

        Args:
            x: in the compute type.
            residual: like x; what x is added to before.
            dropout_key: of `dropout.make_key`; x is dropped out by it before.
        """
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        epsilon = tf.constant(self._epsilon)

        @tf.custom_gradient
        def normalize(x: tf.Tensor, residual: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
            y, normalized, scale = _forward(x, residual, gamma, beta, epsilon, dropout_key)

            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
                to_x, to_sum = _backward(upstream, normalized, scale, gamma, dropout_key)
                wide = tf.cast(upstream, tf.float32)
                to_gamma = _column_sums(wide * tf.cast(normalized, tf.float32))
                return to_x, to_sum, to_gamma, _column_sums(wide)

            return y, gradient

        return normalize(x, tf.zeros_like(x) if residual is None else residual, gamma, beta)


@one_pass
def _forward(
    x: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: tf.Tensor,
    dropout_key: tf.Tensor | None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the output, what it was before gamma and beta, and 1 / standard deviation."""
    dropped = x if dropout_key is None else drop(x, dropout_key)
    total = tf.cast(residual, tf.float32) + tf.cast(dropped, tf.float32)
    centered = total - tf.reduce_mean(total, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
    scale = tf.math.rsqrt(variance + epsilon)
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
    gradient -= tf.reduce_mean(gradient, axis=-1, keepdims=True) + normalized * tf.reduce_mean(
        gradient * normalized, axis=-1, keepdims=True
    )
    to_sum = tf.cast(gradient * scale, upstream.dtype)
    return to_sum if dropout_key is None else drop(to_sum, dropout_key), to_sum


def _column_sums(x: tf.Tensor) -> tf.Tensor:
    """Returns the sums of [..., size] over all axes but the last."""
    # The gradient of a bias is just that, and faster than `reduce_sum`.
    return tf.raw_ops.BiasAddGrad(out_backprop=tf.reshape(x, [-1, x.shape[-1]]))
