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
        self._head_size = config.hidden_size // config.num_attention_heads
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
        """Transforms x [batch, seq, hidden] into the same shape; input_mask is int [batch, seq]."""
        query = self._split_heads(self.query(x) * self._head_size**-0.5)
        key = self._split_heads(self.key(x))
        value = self._split_heads(self.value(x))
        scores = tf.matmul(query, key, transpose_b=True)  # [batch, heads, seq, seq]
        scores += attention_bias(input_mask, scores.dtype)
        if training and self._rate:
            site = encoder_site(layer_index, Place.ATTENTION_PROBS)
            probs = _dropped_softmax(scores, make_key(dropout_seed, site, self._rate))
        else:
            probs = tf.nn.softmax(scores)
        context = tf.matmul(probs, value)  # [batch, heads, seq, head_size]
        context = tf.transpose(context, [0, 2, 1, 3])  # [batch, seq, heads, head_size]
        return self.output_dense(tf.reshape(context, tf.shape(x)))

    def _split_heads(self, x: tf.Tensor) -> tf.Tensor:
        """Turns [batch, seq, hidden] into [batch, heads, seq, head_size]."""
        shape = tf.concat([tf.shape(x)[:2], [self._num_heads, self._head_size]], axis=0)
        return tf.transpose(tf.reshape(x, shape), [0, 2, 1, 3])


def attention_bias(input_mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what to add to attention scores [batch, 1, 1, seq]: 0, or at padding a low number."""
    bias = tf.cast(1 - input_mask, dtype) * _MASKED
    return bias[:, tf.newaxis, tf.newaxis, :]


@tf.custom_gradient
def _dropped_softmax(scores: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Returns softmax over the last axis, dropped out by a key of `make_key`."""
    probs = tf.nn.softmax(scores)
    dropped = drop_in_one_pass(probs, key)
    return dropped, lambda upstream: (_softmax_gradient(probs, upstream, key), None)


@one_pass
def _softmax_gradient(probs: tf.Tensor, upstream: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Returns the gradient to the scores; draws the dropped units again."""
    wide, gradient = tf.cast(probs, tf.float32), tf.cast(drop(upstream, key), tf.float32)
    mean = tf.reduce_sum(wide * gradient, axis=-1, keepdims=True)
    return tf.cast(wide * (gradient - mean), probs.dtype)
