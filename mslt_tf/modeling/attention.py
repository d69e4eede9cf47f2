"""Multi-head self-attention.

Words used in shapes: batch, seq (tokens, padding included), from (tokens that gather; mostly all of
seq), heads, head_size, and hidden = heads * head_size.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.dropout import Key, drop
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Linear, Product
from mslt_tf.modeling.shapes import sizes
from mslt_tf.modeling.sums import bias_gradient, row_sums

# exp(-10,000) is 0 in every float type, and float16 (up to 65,504) still holds it plus a score.
_MASKED = -10_000.0


class SelfAttention(tf.keras.layers.Layer):
    """Lets tokens gather from all tokens of their sequence that are not padding."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        path: str,
        initializer_seed: int,
        dtype: str,
        forms: Forms = Forms.DEFINITIONS,
    ):
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self._forms = forms
        self._num_heads = config.num_attention_heads
        linear = functools.partial(
            Linear,
            config.hidden_size,
            config.hidden_size,
            initializer_range=config.initializer_range,
            initializer_seed=initializer_seed,
            dtype=dtype,
        )
        self.query = linear(path=f"{path}/query")
        self.key = linear(path=f"{path}/key")
        self.value = linear(path=f"{path}/value")
        self.output_dense = linear(path=f"{path}/output")

    def call(
        self,
        from_tokens: tf.Tensor,
        to_tokens: tf.Tensor,
        input_mask: tf.Tensor,
        dropout_key: Key | None = None,
        training: bool = False,
    ) -> Product:
        """Returns values [batch, from, hidden], and the bias [hidden] that the next pass adds.

        Args:
            from_tokens: [batch, from, hidden], those that gather.
            to_tokens: [batch, seq, hidden], all of the sequences.
            input_mask: int [batch, seq], 0 at padding.
            dropout_key: of `dropout.make_key`, or None for no dropout of the probabilities.
            training: whether the forms that the layer was made with are used.
        """
        probs = self.probs(from_tokens, to_tokens, input_mask, dropout_key, training)
        value = self._heads(self.value, to_tokens, training)
        return self.output_dense(merge_heads(tf.matmul(probs, value)))

    def probs(
        self,
        from_tokens: tf.Tensor,
        to_tokens: tf.Tensor,
        input_mask: tf.Tensor,
        dropout_key: Key | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns the weights of the values [batch, heads, from, seq]; arguments as of `call`."""
        query = self._heads(self.query, from_tokens, training)
        key = self._heads(self.key, to_tokens, training)
        mask_bias = attention_bias(input_mask, query.dtype)
        forms = self._forms.when(training)
        return attention_probs(query, key, mask_bias, dropout_key, forms)

    def _heads(self, linear: Linear, x: tf.Tensor, training: bool) -> tf.Tensor:
        """Returns [batch, heads, from or seq, head_size]."""
        return split_heads(linear(x), self._num_heads, self._forms.when(training))


def attention_bias(input_mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what to add to attention scores [batch, 1, 1, seq]: 0, or at padding a low number."""
    bias = tf.cast(1 - input_mask, dtype) * _MASKED
    return bias[:, tf.newaxis, tf.newaxis, :]


def split_heads(x: Product, num_heads: int, forms: Forms = Forms.DEFINITIONS) -> tf.Tensor:
    """Turns x [batch, seq, hidden] + bias into [batch, heads, seq, head_size]."""
    if not forms.are_definitions:
        return _fast_split_heads(x, num_heads, forms)
    batch, seq_length, hidden_size = sizes(x.values)
    heads = tf.reshape(x.sum(), [batch, seq_length, num_heads, hidden_size // num_heads])
    return tf.transpose(heads, [0, 2, 1, 3])


def _fast_split_heads(x: Product, num_heads: int, forms: Forms) -> tf.Tensor:
    """Adds the bias while it transposes."""

    @tf.custom_gradient
    def split(values: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_x = merge_heads(upstream)
            return to_x, bias_gradient(to_x, forms)

        return forms.one_pass(split_heads, Product(values, bias), num_heads), gradient

    return split(*x)


def merge_heads(x: tf.Tensor) -> tf.Tensor:
    """Turns [batch, heads, seq, head_size] into [batch, seq, hidden]."""
    batch, num_heads, seq_length, head_size = sizes(x)
    x = tf.transpose(x, [0, 2, 1, 3])
    return tf.reshape(x, [batch, seq_length, num_heads * head_size])


def attention_probs(
    query: tf.Tensor,
    key: tf.Tensor,
    mask_bias: tf.Tensor,
    dropout_key: Key | None,
    forms: Forms = Forms.DEFINITIONS,
) -> tf.Tensor:
    """Returns how much of each value a token gets [batch, heads, from, seq], dropped out if asked.

    Args:
        query: [batch, heads, from, head_size].
        key: [batch, heads, seq, head_size].
        mask_bias: of `attention_bias`.
        dropout_key: of `dropout.make_key`, or None for no dropout.
        forms: how to compute it.
    """
    if not forms.are_definitions:
        return _fast_attention_probs(query, key, mask_bias, dropout_key, forms)
    # The query is scaled, not the scores: there are fewer of it, and float16 could not hold them.
    scores = tf.matmul(query * query.shape[-1] ** -0.5, key, transpose_b=True) + mask_bias
    return drop(tf.nn.softmax(scores), dropout_key)


def _fast_attention_probs(
    query: tf.Tensor, key: tf.Tensor, mask_bias: tf.Tensor, dropout_key: Key | None, forms: Forms
) -> tf.Tensor:
    """Keeps query, key and probabilities; draws the dropped units again for the gradient."""
    scale = query.shape[-1] ** -0.5

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        # TensorFlow's optimizer infers no shapes through a compiled call (of `split_heads`), and
        # logs a line of errors for each softmax of unknown rank.
        query, key = (tf.ensure_shape(x, x.shape) for x in (query, key))
        probs = attention_probs(query, key, mask_bias, dropout_key=None)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_products = forms.one_pass(
                _softmax_gradient, probs, upstream, scale, dropout_key, forms
            )
            return tf.matmul(to_products, key), tf.matmul(to_products, query, transpose_a=True)

        return probs if dropout_key is None else forms.one_pass(drop, probs, dropout_key), gradient

    return attend(query, key)


def _softmax_gradient(
    probs: tf.Tensor, upstream: tf.Tensor, scale: float, dropout_key: Key | None, forms: Forms
) -> tf.Tensor:
    """Returns the gradient to the products of queries and keys, times `scale`."""
    wide, gradient = tf.cast(probs, tf.float32), tf.cast(drop(upstream, dropout_key), tf.float32)
    mean = row_sums(wide * gradient, forms)
    return tf.cast(wide * (gradient - mean) * scale, probs.dtype)
