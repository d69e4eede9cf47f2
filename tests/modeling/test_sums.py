"""Sums and maxima in slices, within compiled passes, against NumPy's in double precision."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling import sums
from mslt_tf.modeling.forms import Forms

SHAPES = [
    (32, 128),
    (2, 16, 768),
    (1024, 64),
    (2048, 100),
    (33, 48),
    (40, 144),
    (1, 16),
    (5, 1),
    (7, 72),
    (3, 1003),
]


in_each_form = pytest.mark.parametrize("forms", [Forms.FAST, Forms.COMPILED])


@in_each_form
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_and_columns_add_up_to_numpys_sums(forms, shape):
    x = tf.random.stateless_normal(shape, seed=[1, 2])
    wide = x.numpy().astype(np.float64)
    columns = tuple(range(len(shape) - 1))
    rounding = 1e-6 * np.sqrt(wide.size)
    for function, expected in (
        (sums.row_sums, wide.sum(-1, keepdims=True)),
        (sums.row_means, wide.mean(-1, keepdims=True)),
        (sums.column_sums, wide.sum(columns)),
    ):
        np.testing.assert_allclose(forms.one_pass(function, x, forms), expected, atol=rounding)


@in_each_form
@pytest.mark.parametrize("shape", SHAPES)
def test_the_maximum_of_a_row_is_found_wherever_it_is(forms, shape):
    x = tf.random.stateless_normal(shape, seed=[5, 6]) - 200.0  # a maximum begins below 0
    np.testing.assert_array_equal(
        forms.one_pass(sums.row_maxima, x, forms), x.numpy().max(-1, keepdims=True)
    )
    for place in (0, shape[-1] // 2, shape[-1] - 1):
        highest = x + 100.0 * tf.one_hot(place, shape[-1])
        found = forms.one_pass(sums.row_maxima, highest, forms)
        np.testing.assert_array_equal(found[..., 0], highest[..., place])


def test_outside_of_compiled_passes_the_size_may_be_unknown():
    run = tf.function(
        lambda x: sums.row_sums(x, Forms.FAST), input_signature=[tf.TensorSpec([None, None])]
    )
    np.testing.assert_array_equal(run(tf.ones([3, 70])), [[70]] * 3)


@in_each_form
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_the_gradient_of_a_bias_is_the_sum_over_rows_in_float32(forms, dtype):
    x = tf.cast(tf.random.stateless_normal([4, 600, 24], seed=[3, 4]), dtype)
    found = sums.bias_gradient(x, forms)
    assert found.dtype == dtype
    expected = tf.cast(x, tf.float64).numpy().sum(axis=(0, 1))
    tolerance = 3e-4 if dtype == tf.float32 else 0.26  # of sums up to 128: bfloat16 has 8 bits
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, atol=tolerance)
