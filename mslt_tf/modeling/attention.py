"""Multi-head self-attention.

Words used in shapes: batch, seq (tokens, padding included), heads, head_size, and
hidden = heads * head_size.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.dropout import Place, drop, drop_in_one_pass, encoder_site, make_key
from mslt_tf.modeling.linear import Linear
from mslt_tf.modeling.one_pass import one_pass
from mslt_tf.modeling.sums import bias_gradient, row_sums

# exp(-10,000) is 0 in every float type, and float16 (up to 65,504) still holds it plus a score.
_MASKED = -10_000.0


class SelfAttention(tf.keras.layers.Layer):
    """Lets every token gather from all tokens of its sequence that are not padding."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        path: str,
        initializer_seed: int,
        dtype: str,
    ):
        super().__init__(name=path.rpartition("/")[-1], dtype=dtype)
        self._num_heads = config.num_attention_heads
        self._rate = config.attention_probs_dropout_prob
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
        x: tf.Tensor,
        input_mask: tf.Tensor,
        dropout_seed: tf.Tensor,
        layer_index: int,
        training: bool = False,
    ) -> tf.Tensor:
        """Transforms x [batch, seq, hidden] into the same shape; input_mask is int [batch, seq].

        What it returns lacks the bias of `output_dense`: the LayerNorm that follows adds it.
        """
        query, key, value = (
            _split_heads(linear(x, adds_bias=False), linear.bias, self._num_heads)
            for linear in (self.query, self.key, self.value)
        )  # [batch, heads, seq, head_size]
        mask_bias = attention_bias(input_mask, query.dtype)
        dropout_key = None
        if training and self._rate:
            site = encoder_site(layer_index, Place.ATTENTION_PROBS)
            dropout_key = make_key(dropout_seed, site, self._rate)
        probs = _attention_probs(query, key, mask_bias, dropout_key)
        context = _merge_heads(tf.matmul(probs, value))
        return self.output_dense(context, adds_bias=False)


def attention_bias(input_mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what to add to attention scores [batch, 1, 1, seq]: 0, or at padding a low number."""
    bias = tf.cast(1 - input_mask, dtype) * _MASKED
    return bias[:, tf.newaxis, tf.newaxis, :]


def _split_heads(x: tf.Tensor, bias: tf.Variable, num_heads: int) -> tf.Tensor:
    """Turns x [batch, seq, hidden] + bias [hidden] into [batch, heads, seq, head_size]."""

    @tf.custom_gradient
    def split(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_x = _merge_heads(upstream)
            return to_x, bias_gradient(to_x)

        return _add_and_split(x, bias, num_heads), gradient

    return split(x, tf.convert_to_tensor(bias))


@one_pass
def _add_and_split(x: tf.Tensor, bias: tf.Tensor, num_heads: int) -> tf.Tensor:
    shape = tf.concat([tf.shape(x)[:2], [num_heads, x.shape[2] // num_heads]], axis=0)
    heads = tf.reshape(tf.nn.bias_add(x, bias), shape)
    return tf.transpose(heads, [0, 2, 1, 3])


def _merge_heads(x: tf.Tensor) -> tf.Tensor:
    """Turns [batch, heads, seq, head_size] into [batch, seq, hidden]."""
    x = tf.transpose(x, [0, 2, 1, 3])
    return tf.reshape(x, tf.concat([tf.shape(x)[:2], [x.shape[2] * x.shape[3]]], axis=0))


def _attention_probs(
    query: tf.Tensor, key: tf.Tensor, mask_bias: tf.Tensor, dropout_key: tf.Tensor | None
) -> tf.Tensor:
    """Returns how much of each value a token gets [batch, heads, seq, seq], dropped out if asked.

    Args:
        query: [batch, heads, seq, head_size].
        key: the same.
        mask_bias: of `attention_bias`.
        dropout_key: of `make_key`, or None.
    """
    scale = query.shape[-1] ** -0.5

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        products = tf.matmul(query, key, transpose_b=True)
        scores = _scale_and_mask(products, scale, mask_bias)
        # TensorFlow's optimizer infers no shapes through a compiled call, and logs a line of errors
        # for each softmax of unknown rank.
        probs = tf.nn.softmax(tf.ensure_shape(scores, products.shape))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_products = _softmax_gradient(probs, upstream, scale, dropout_key)
            return tf.matmul(to_products, key), tf.matmul(to_products, query, transpose_a=True)

        return probs if dropout_key is None else drop_in_one_pass(probs, dropout_key), gradient

    return attend(query, key)


@one_pass
def _scale_and_mask(products: tf.Tensor, scale: float, mask_bias: tf.Tensor) -> tf.Tensor:
    """Returns the scores; scaling them costs nothing here, scaling the query a pass of its own."""
    scores = tf.cast(products, tf.float32) * scale + tf.cast(mask_bias, tf.float32)
    return tf.cast(scores, products.dtype)


@one_pass
def _softmax_gradient(
    probs: tf.Tensor, upstream: tf.Tensor, scale: float, dropout_key: tf.Tensor | None
) -> tf.Tensor:
    """Returns the gradient to the scores before their scaling; draws the dropped units again."""
    dropped = upstream if dropout_key is None else drop(upstream, dropout_key)
    wide, gradient = tf.cast(probs, tf.float32), tf.cast(dropped, tf.float32)
    return tf.cast(wide * (gradient - row_sums(wide * gradient)) * scale, probs.dtype)
