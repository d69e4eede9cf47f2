"""GELU against Python's own error function, and its hand-written gradient against TensorFlow's."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.activations import erf_gelu, gelu

POINTS = np.linspace(-6.0, 6.0, 241, dtype=np.float32)


def test_gelu_is_x_times_the_normal_distribution_function():
    expected = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in POINTS]
    np.testing.assert_allclose(gelu("gelu")(tf.constant(POINTS)), expected, atol=1e-6)


def test_gelu_new_is_the_tanh_form():
    scale = math.sqrt(2 / math.pi)
    expected = [0.5 * x * (1 + math.tanh(scale * (x + 0.044715 * x**3))) for x in POINTS]
    np.testing.assert_allclose(gelu("gelu_new")(tf.constant(POINTS)), expected, atol=1e-6)


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
def test_gradient_equals_that_of_automatic_differentiation(hidden_act):
    points = tf.constant(POINTS)
    upstream = tf.sin(points * 3)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(points)
        ours = gelu(hidden_act)(points)
        theirs = tf.nn.gelu(points, approximate=hidden_act == "gelu_new")
    actual = tape.gradient(ours, points, output_gradients=upstream)
    expected = tape.gradient(theirs, points, output_gradients=upstream)
    np.testing.assert_allclose(actual, expected, atol=5e-6)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_short_types_are_rounded_once(dtype):
    x = tf.cast(POINTS, dtype)
    with tf.GradientTape(persistent=True) as tape:
        wide = tf.cast(x, tf.float32)
        tape.watch([x, wide])
        y, wide_y = erf_gelu(x), erf_gelu(wide)
    np.testing.assert_array_equal(y, tf.cast(wide_y, dtype))
    gradient = tape.gradient(y, x)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, tf.cast(tape.gradient(wide_y, wide), dtype))
