"""Self-attention against a hand-written form in NumPy, one head at a time."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.attention import SelfAttention, attention_bias
from tests.modeling.small_models import tiny_config


@pytest.mark.parametrize("num_heads", [1, 4])
def test_attention_equals_a_hand_written_one(num_heads):
    layer = _attention(num_heads, dtype="float32")
    x = np.random.default_rng(1).normal(size=[2, 6, 32]).astype(np.float32)
    lengths = [6, 4]
    mask = tf.sequence_mask(lengths, 6, dtype=tf.int32)

    ours = layer(tf.constant(x), tf.constant(x), mask).sum()

    for sequence, length in enumerate(lengths):
        expected = _attend(layer, x[sequence], length, num_heads)
        np.testing.assert_allclose(ours[sequence], expected, atol=1e-5)


def test_padding_has_no_influence():
    layer = _attention(4, dtype="float32")
    x = np.random.default_rng(1).normal(size=[1, 6, 32]).astype(np.float32)
    mask = tf.sequence_mask([4], 6, dtype=tf.int32)
    padded = layer(tf.constant(x), tf.constant(x), mask).sum()
    short = layer(tf.constant(x[:, :4]), tf.constant(x[:, :4]), mask[:, :4]).sum()
    np.testing.assert_allclose(padded[:, :4], short, atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mask_is_finite_and_shuts_padding_out_in_short_types(dtype):
    compute_dtype = tf.keras.mixed_precision.Policy(dtype).compute_dtype
    bias = attention_bias(tf.constant([[1, 0]]), tf.as_dtype(compute_dtype))
    lowest = tf.cast(-50.0, bias.dtype) + bias[0, 0, 0]  # with a very low score
    assert np.all(np.isfinite(lowest.numpy().astype(np.float32)))
    np.testing.assert_array_equal(tf.nn.softmax(bias)[0, 0, 0], [1, 0])


def _attention(num_heads: int, *, dtype: str) -> SelfAttention:
    config = tiny_config(num_attention_heads=num_heads)
    layer = SelfAttention(config, path="attention", initializer_seed=0, dtype=dtype)
    rng = np.random.default_rng(2)
    for variable in layer.variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return layer


def _attend(layer: SelfAttention, x: np.ndarray, length: int, num_heads: int) -> np.ndarray:
    """Attention of one sequence, head by head and token by token; keys end at `length`."""
    query, key, value = (
        x @ part.kernel.numpy() + part.bias.numpy()
        for part in (layer.query, layer.key, layer.value)
    )
    size = x.shape[1] // num_heads
    context = np.zeros_like(x)
    for head in range(num_heads):
        columns = slice(head * size, (head + 1) * size)
        for token in range(len(x)):
            scores = key[:length, columns] @ query[token, columns] / np.sqrt(size)
            weights = np.exp(scores) / np.exp(scores).sum()
            context[token, columns] = weights @ value[:length, columns]
    return context @ layer.output_dense.kernel.numpy() + layer.output_dense.bias.numpy()
