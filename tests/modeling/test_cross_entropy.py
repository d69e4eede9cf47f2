"""Cross entropy and its gradient against NumPy in double precision."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.cross_entropy import cross_entropy
from mslt_tf.modeling.forms import Forms

COUNT, CLASSES = 6, 301

both_ways = pytest.mark.parametrize("forms", [Forms.DEFINITIONS, Forms.COMPILED])


def losses_and_gradient(logits, labels, upstream, *, forms):
    logits, upstream = tf.constant(logits, tf.float32), tf.constant(upstream, tf.float32)

    @tf.function
    def run(logits, labels):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = cross_entropy(logits, labels, forms)
        return losses, tape.gradient(losses, logits, output_gradients=upstream)

    return run(logits, tf.constant(labels, tf.int32))


@both_ways
@pytest.mark.parametrize("spread", [1.0, 30.0, 1_000.0])
def test_losses_and_gradients_are_numpys(forms, spread):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=[COUNT, CLASSES]) * spread).astype(np.float32)
    labels = [0, CLASSES - 1, 150, 7, int(logits[4].argmax()), int(logits[5].argmin())]
    upstream = np.array([1, 0, -2, 0.5, 3, 1])
    losses, gradient = losses_and_gradient(logits, labels, upstream, forms=forms)
    wide = logits.astype(np.float64)
    highest = wide.max(axis=1, keepdims=True)
    log_sums = highest + np.log(np.exp(wide - highest).sum(axis=1, keepdims=True))
    expected = log_sums[:, 0] - wide[range(COUNT), labels]
    np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=2e-7 * highest.max())
    expected = (np.exp(wide - log_sums) - np.eye(CLASSES)[labels]) * upstream[:, np.newaxis]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@both_ways
def test_a_logit_that_is_not_finite_gives_a_loss_that_is_not(forms):
    logits = np.zeros([2, CLASSES])
    logits[0, 3], logits[1, 4] = np.nan, np.inf
    losses, _ = losses_and_gradient(logits, [5, 5], [1.0, 1.0], forms=forms)
    assert not np.isfinite(losses).any()


@both_ways
@pytest.mark.parametrize("label", [-1, CLASSES])
def test_a_label_out_of_range_is_refused(forms, label):
    logits = np.zeros([1, CLASSES])
    with tf.device("CPU"), pytest.raises(tf.errors.InvalidArgumentError):
        losses_and_gradient(logits, [label], [1.0], forms=forms)
