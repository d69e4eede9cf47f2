"""Losses against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.finetuning import objectives

RANDOM = np.random.default_rng(5)


def losses(objective, outputs, targets, input_mask=None):
    tensors = (
        tf.constant(outputs, tf.float32),
        tf.constant(targets, objective.targets.dtype),
        tf.constant(np.ones([len(outputs), 1]) if input_mask is None else input_mask, tf.int32),
    )
    return objective.losses(*tensors).numpy()


def cross_entropy(scores, target):
    return np.log(np.exp(scores).sum()) - scores[target]


def test_a_classification_has_the_cross_entropy_of_each_sequence():
    outputs, targets = RANDOM.normal(0, 3, [4, 3]), [2, 0, 1, 2]
    expected = [cross_entropy(row, t) for row, t in zip(outputs, targets, strict=True)]
    found = losses(objectives.classification(3), outputs, targets)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_regression_has_the_squared_error_of_each_sequence():
    found = losses(objectives.regression(), [[1.5], [-2.0]], [1.0, 3.0])
    assert found == pytest.approx([0.25, 25.0])


def test_a_span_has_the_mean_of_two_cross_entropies_among_the_real_tokens():
    lengths, targets = [6, 3], [[1, 4], [0, 2]]
    outputs = RANDOM.normal(0, 3, [2, 6, 2])
    outputs[1, 3:] = 50  # whatever padding says
    mask = np.arange(6) < np.array(lengths)[:, np.newaxis]
    expected = [
        np.mean([cross_entropy(rows[:n, i], t[i]) for i in range(2)])
        for rows, n, t in zip(outputs, lengths, targets, strict=True)
    ]
    found = losses(objectives.span(), outputs, targets, mask)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
