"""The output layer: logits in float32 always, gradients rounded to the encoder's type."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.heads import float32_logits


@pytest.mark.parametrize(
    ("dtype", "rounding"), [(tf.float32, 1e-6), (tf.bfloat16, 2**-8), (tf.float16, 2**-11)]
)
def test_logits_are_not_rounded_and_gradients_once(dtype, rounding):
    def random(*shape, seed):
        return tf.random.stateless_normal(shape, seed=[5, seed])

    rows, table, bias = (
        tf.cast(random(6, 8, seed=1), dtype),
        random(20, 8, seed=2),
        random(20, seed=3),
    )
    upstream = random(6, 20, seed=4)
    with tf.GradientTape() as tape:
        tape.watch([rows, table, bias])
        logits = float32_logits(rows, table, bias, Forms.FAST)
    found = tape.gradient(logits, [rows, table, bias], output_gradients=upstream)

    x = tf.cast(rows, tf.float64).numpy()
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, x @ table.numpy().T + bias, atol=1e-5)
    assert [gradient.dtype for gradient in found] == [dtype, tf.float32, tf.float32]
    to_rows, to_table, to_bias = (tf.cast(gradient, tf.float64).numpy() for gradient in found)
    # A sum of products of two rounded numbers, itself rounded: three times the rounding of each.
    products = np.abs(upstream) @ np.abs(table)
    assert np.all(np.abs(to_rows - upstream.numpy() @ table.numpy()) <= 3 * rounding * products)
    products = np.abs(upstream).T @ np.abs(x)
    assert np.all(np.abs(to_table - upstream.numpy().T @ x) <= 3 * rounding * products)
    np.testing.assert_allclose(to_bias, upstream.numpy().sum(0), atol=1e-5)


def test_small_gradients_of_logits_are_not_lost_in_float16():
    rows = tf.cast(tf.random.stateless_normal([6, 8], seed=[5, 1]), tf.float16)
    table = tf.random.stateless_normal([20, 8], seed=[5, 2])
    upstream = 1e-8 * tf.random.stateless_normal([6, 20], seed=[5, 4])  # 0 in float16
    with tf.GradientTape() as tape:
        tape.watch(table)
        logits = float32_logits(rows, table, tf.zeros([20]), Forms.FAST)
    found = tape.gradient(logits, table, output_gradients=upstream)
    expected = upstream.numpy().T @ tf.cast(rows, tf.float32).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
