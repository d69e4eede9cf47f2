"""LayerNorm against NumPy, with a bias and a residual before it."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Product
from mslt_tf.modeling.normalization import LayerNorm

SIZE, EPSILON = 24, 1e-12
in_each_form = pytest.mark.parametrize("forms", Forms)


def layer_norm(forms, *, dtype="float32"):
    made = LayerNorm(SIZE, epsilon=EPSILON, path="layer/layer_norm", dtype=dtype, forms=forms)
    made.gamma.assign(tf.random.stateless_normal([SIZE], seed=[1, 1]))
    made.beta.assign(tf.random.stateless_normal([SIZE], seed=[1, 2]))
    return made


def random(*shape, seed):
    return tf.random.stateless_normal(shape, seed=[2, seed])


@in_each_form
def test_rows_have_mean_zero_and_variance_one_before_gamma_and_beta(forms):
    layer = layer_norm(forms)
    x, residual = random(3, 5, SIZE, seed=1).numpy(), random(3, 5, SIZE, seed=2).numpy()
    bias = random(SIZE, seed=3).numpy()
    total = (x + bias + residual).astype(np.float64)
    expected = (total - total.mean(-1, keepdims=True)) / total.std(-1, keepdims=True)
    expected = expected * layer.gamma.numpy() + layer.beta.numpy()
    product = Product(tf.constant(x), tf.constant(bias))
    for found in (
        layer(product, tf.constant(residual), training=True),
        layer(tf.constant(x + bias + residual), training=True),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@in_each_form
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_statistics_are_taken_in_float32(dtype, forms):
    layer = LayerNorm(SIZE, epsilon=EPSILON, path="l", dtype=f"mixed_{dtype.name}", forms=forms)
    x = tf.cast(100.0 + random(4, SIZE, seed=1), dtype)
    wide = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(wide, axes=[-1], keepdims=True)
    expected = (wide - mean) * tf.math.rsqrt(variance)
    np.testing.assert_allclose(tf.cast(layer(x, training=True), tf.float32), expected, atol=0.02)
