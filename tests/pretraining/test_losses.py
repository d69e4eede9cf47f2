"""The two losses against NumPy."""

import numpy as np
import tensorflow as tf

from mslt_tf.pretraining import losses


def numpy_cross_entropy(logits, label):
    return np.log(np.exp(logits).sum()) - logits[label]


def test_losses_equal_a_loop_over_tokens():
    rng = np.random.default_rng(0)
    masked_logits = rng.normal(size=[2, 3, 7]).astype(np.float32) * 3
    sentence_logits = rng.normal(size=[2, 2]).astype(np.float32)
    batch = {
        "masked_lm_ids": np.array([[1, 6, 0], [5, 0, 0]], np.int32),
        "masked_lm_weights": np.array([[1, 1, 0], [1, 0, 0]], np.float32),
        "next_sentence_labels": np.array([1, 0], np.int32),
    }
    expected = np.zeros([2, 3])
    for row, column in [(0, 0), (0, 1), (1, 0)]:
        expected[row, column] = numpy_cross_entropy(
            masked_logits[row, column], batch["masked_lm_ids"][row, column]
        )
    masked = losses.masked_lm_losses(tf.constant(masked_logits), batch)
    np.testing.assert_allclose(masked, expected, rtol=1e-5)
    sentence = losses.sentence_pair_losses(tf.constant(sentence_logits), batch)
    expected = [numpy_cross_entropy(sentence_logits[i], label) for i, label in enumerate([1, 0])]
    np.testing.assert_allclose(sentence, expected, rtol=1e-5)
    assert [float(count) for count in losses.loss_counts(batch)] == [3, 2]
