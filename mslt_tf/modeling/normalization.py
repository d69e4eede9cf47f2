"""LayerNorm over the last axis, with statistics in float32, and what BERT adds up before it."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.dropout import Key, drop
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Product
from mslt_tf.modeling.sums import bias_gradient, column_sums, row_means


class LayerNorm(tf.keras.layers.Layer):
    """Brings the last axis to mean 0 and variance 1, then scales by gamma and adds beta."""

    def __init__(
        self,
        size: int,
        *,
        epsilon: float,
        path: str,
        dtype: str,
        forms: Forms = Forms.DEFINITIONS,
    ):
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self._forms = forms
        self._epsilon = epsilon
        self.gamma = self.add_weight(
            name=f"{path}/gamma", shape=[size], initializer="ones", experimental_autocast=False
        )
        self.beta = self.add_weight(
            name=f"{path}/beta", shape=[size], initializer="zeros", experimental_autocast=False
        )

    def call(
        self,
        x: tf.Tensor | Product,
        residual: tf.Tensor | None = None,
        key: Key | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Normalises dropout(x + bias) + residual, [..., size].

        Args:
            x: [..., size], in the compute type; a tensor has no bias.
            residual: like x, or None for none.
            key: of `dropout.make_key`, or None for no dropout.
            training: whether the forms that the layer was made with are used.
        """
        if not isinstance(x, Product):
            x = Product(x, tf.zeros([x.shape[-1]], x.dtype))
        if residual is None:
            residual = tf.zeros_like(x.values)
        forms = self._forms.when(training)
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        return add_and_norm(x, residual, key, gamma, beta, self._epsilon, forms)


def add_and_norm(
    x: Product,
    residual: tf.Tensor,
    key: Key | None,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    forms: Forms = Forms.DEFINITIONS,
) -> tf.Tensor:
    """Returns LayerNorm(dropout(x + bias) + residual) [..., size], in the type of x.

    Args:
        x: [..., size].
        residual: like the values of x.
        key: of `dropout.make_key`, or None for no dropout.
        gamma: float32 [size].
        beta: the same.
        epsilon: is added to the variance.
        forms: how to compute it.
    """
    if not forms.are_definitions:
        return _fast_add_and_norm(x, residual, key, gamma, beta, epsilon, forms)
    total = drop(x.float32_sum(), key) + tf.cast(residual, tf.float32)
    mean, variance = tf.nn.moments(total, axes=[-1], keepdims=True)
    normalized = (total - mean) * tf.math.rsqrt(variance + epsilon)
    return tf.cast(normalized * gamma + beta, x.values.dtype)


def _fast_add_and_norm(
    x: Product,
    residual: tf.Tensor,
    key: Key | None,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    forms: Forms,
) -> tf.Tensor:
    """One pass forward; keeps what was normalised, and draws the dropped units again."""

    @tf.custom_gradient
    def normalize(
        values: tf.Tensor, bias: tf.Tensor, residual: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        y, normalized, scale = forms.one_pass(
            _forward, Product(values, bias), residual, key, gamma, beta, epsilon, forms
        )

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            to_x, to_sum = forms.one_pass(
                _input_gradients, upstream, normalized, scale, key, gamma, forms
            )
            to_parameters = forms.one_pass(_parameter_gradients, upstream, normalized, forms)
            return to_x, bias_gradient(to_x, forms), to_sum, *to_parameters

        return y, gradient

    return normalize(*x, residual, gamma, beta)


def _forward(
    x: Product,
    residual: tf.Tensor,
    key: Key | None,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    forms: Forms,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the output, what it was before gamma and beta, and 1 / standard deviation."""
    total = tf.cast(residual, tf.float32) + drop(x.float32_sum(), key)
    centered = total - row_means(total, forms)
    scale = tf.math.rsqrt(row_means(tf.square(centered), forms) + epsilon)
    normalized, dtype = centered * scale, x.values.dtype
    return tf.cast(normalized * gamma + beta, dtype), tf.cast(normalized, dtype), scale


def _input_gradients(
    upstream: tf.Tensor,
    normalized: tf.Tensor,
    scale: tf.Tensor,
    key: Key | None,
    gamma: tf.Tensor,
    forms: Forms,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients to x and to the residual."""
    normalized = tf.cast(normalized, tf.float32)
    gradient = tf.cast(upstream, tf.float32) * gamma
    gradient -= row_means(gradient, forms) + normalized * row_means(gradient * normalized, forms)
    to_sum = tf.cast(gradient * scale, upstream.dtype)
    return drop(to_sum, key), to_sum


def _parameter_gradients(
    upstream: tf.Tensor, normalized: tf.Tensor, forms: Forms
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients to gamma and beta."""
    upstream, normalized = tf.cast(upstream, tf.float32), tf.cast(normalized, tf.float32)
    return column_sums(upstream * normalized, forms), column_sums(upstream, forms)
