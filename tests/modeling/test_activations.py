"""GELU against Python's own error function; its gradient: see test_fast_forms.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.activations import bias_gelu
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.linear import Product

POINTS = np.linspace(-6.0, 6.0, 240, dtype=np.float32).reshape([80, 3])
BIAS = np.array([0.0, 0.5, -2.0], np.float32)
in_each_form = pytest.mark.parametrize("forms", Forms)


def product(dtype=tf.float32):
    return Product(tf.cast(POINTS, dtype), tf.cast(BIAS, dtype))


@in_each_form
def test_gelu_is_x_times_the_normal_distribution_function(forms):
    found = bias_gelu(product(), "gelu", forms)
    expected = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in np.ravel(POINTS + BIAS)]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)


@in_each_form
def test_gelu_new_is_the_tanh_form(forms):
    scale = math.sqrt(2 / math.pi)
    found = bias_gelu(product(), "gelu_new", forms)
    xs = np.ravel(POINTS + BIAS)
    expected = [0.5 * x * (1 + math.tanh(scale * (x + 0.044715 * x**3))) for x in xs]
    np.testing.assert_allclose(np.ravel(found), expected, atol=1e-6)


@in_each_form
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_short_types_are_rounded_once(dtype, forms):
    short = product(dtype)
    wide = Product(*(tf.cast(term, tf.float32) for term in short))
    found, expected = (bias_gelu(x, "gelu", forms) for x in (short, wide))
    np.testing.assert_array_equal(found, tf.cast(expected, dtype))
