"""LayerNorm against NumPy and automatic differentiation, with a residual and dropout before it."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.dropout import drop, make_key
from mslt_tf.modeling.normalization import LayerNorm

SIZE, EPSILON = 24, 1e-12


@pytest.fixture
def layer():
    made = LayerNorm(SIZE, epsilon=EPSILON, path="layer/layer_norm", dtype="float32")
    made.gamma.assign(tf.random.stateless_normal([SIZE], seed=[1, 1]))
    made.beta.assign(tf.random.stateless_normal([SIZE], seed=[1, 2]))
    return made


def random(*shape, seed):
    return tf.random.stateless_normal(shape, seed=[2, seed])


def test_rows_have_mean_zero_and_variance_one_before_gamma_and_beta(layer):
    x, residual = random(3, 5, SIZE, seed=1).numpy(), random(3, 5, SIZE, seed=2).numpy()
    bias = random(SIZE, seed=3).numpy()
    total = (x + bias + residual).astype(np.float64)
    expected = (total - total.mean(-1, keepdims=True)) / total.std(-1, keepdims=True)
    expected = expected * layer.gamma.numpy() + layer.beta.numpy()
    np.testing.assert_allclose(layer(x, bias, residual), expected, atol=1e-5)
    np.testing.assert_allclose(layer(x + bias + residual), expected, atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.4])
@pytest.mark.parametrize("has_residual", [True, False])
def test_gradients_equal_those_of_automatic_differentiation(layer, rate, has_residual):
    x, residual = random(3, 5, SIZE, seed=1), random(3, 5, SIZE, seed=2)
    bias, upstream = random(SIZE, seed=4), random(3, 5, SIZE, seed=3)
    key = make_key(tf.constant([3, 4], tf.int64), 2, rate) if rate else None

    def plain(x, bias, residual):
        total = x + bias if key is None else drop(x + bias, key)
        total += residual if has_residual else 0.0
        mean, variance = tf.nn.moments(total, axes=[-1], keepdims=True)
        return (total - mean) * tf.math.rsqrt(variance + EPSILON) * layer.gamma + layer.beta

    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, bias, residual])
        ours = layer(x, bias, residual if has_residual else None, key)
        theirs = plain(x, bias, residual)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    sources = [x, bias, *([residual] if has_residual else []), layer.gamma, layer.beta]
    found = tape.gradient(ours, sources, output_gradients=upstream)
    expected = tape.gradient(theirs, sources, output_gradients=upstream)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=2e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_statistics_are_taken_in_float32(dtype):
    layer = LayerNorm(SIZE, epsilon=EPSILON, path="layer/layer_norm", dtype=f"mixed_{dtype.name}")
    x = tf.cast(100.0 + random(4, SIZE, seed=1), dtype)
    wide = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=[-1], keepdims=True)
    expected = (wide - mean) * tf.math.rsqrt(variance)
    np.testing.assert_allclose(tf.cast(layer(x), tf.float32), expected, atol=0.02)
