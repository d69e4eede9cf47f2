"""GELU against Python's own error function, and its hand-written gradient against TensorFlow's."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.activations import gelu

POINTS = np.linspace(-6.0, 6.0, 240, dtype=np.float32).reshape([80, 3])
BIAS = np.array([0.0, 0.5, -2.0], np.float32)


def test_gelu_is_x_times_the_normal_distribution_function():
    found = gelu("gelu")(tf.constant(POINTS), tf.constant(BIAS))
    expected = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in np.ravel(POINTS + BIAS)]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)


def test_gelu_new_is_the_tanh_form():
    scale = math.sqrt(2 / math.pi)
    found = gelu("gelu_new")(tf.constant(POINTS), tf.constant(BIAS))
    xs = np.ravel(POINTS + BIAS)
    expected = [0.5 * x * (1 + math.tanh(scale * (x + 0.044715 * x**3))) for x in xs]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
def test_gradients_equal_those_of_automatic_differentiation(hidden_act):
    sources = [tf.constant(POINTS), tf.constant(BIAS)]
    upstream = tf.sin(sources[0] * 3)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(sources)
        ours = gelu(hidden_act)(*sources)
        theirs = tf.nn.gelu(sources[0] + sources[1], approximate=hidden_act == "gelu_new")
    found = tape.gradient(ours, sources, output_gradients=upstream)
    expected = tape.gradient(theirs, sources, output_gradients=upstream)
    np.testing.assert_allclose(found[0], expected[0], atol=5e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=5e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_short_types_are_rounded_once(dtype):
    x, bias = tf.cast(POINTS, dtype), tf.cast(BIAS, dtype)
    wide, wide_bias = tf.cast(x, tf.float32), tf.cast(bias, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, wide])
        y, wide_y = gelu("gelu")(x, bias), gelu("gelu")(wide, wide_bias)
    np.testing.assert_array_equal(y, tf.cast(wide_y, dtype))
    gradient = tape.gradient(y, x)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, tf.cast(tape.gradient(wide_y, wide), dtype))
