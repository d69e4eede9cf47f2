"""The fused LAMB against tensorflow-addons' own, update by update."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.training import optimization
from mslt_tf.training.lamb import Lamb, tfa

SHAPES = {"dense/kernel": [64, 48], "dense/bias": [48], "new/kernel": [48, 8], "table": [100, 48]}
SETTINGS = {
    "learning_rate": 0.02,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-6,
    "weight_decay": 0.01,
    "exclude_from_weight_decay": ["bias"],
    "exclude_from_layer_adaptation": ["bias"],
}
NUM_UPDATES = 10
TOLERANCE = 1e-6


def make_variables():
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=shape) * 0.02 for name, shape in SHAPES.items()}
    values["new/kernel"] *= 0  # weights without a norm
    return [tf.Variable(value, dtype=tf.float32, name=name) for name, value in values.items()]


def make_gradients(update, scale):
    rng = np.random.default_rng([1, update])
    gradients = [rng.normal(size=shape) * scale for shape in SHAPES.values()]
    if update % 3 == 0:
        gradients[-1] *= 0  # such as a table of which no row was read
    return [tf.constant(gradient, tf.float32) for gradient in gradients]


@pytest.mark.parametrize("forms", [Forms.COMPILED, Forms.FAST])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0], ids=["tiny", "unclipped", "clipped"])
def test_weights_and_moments_follow_tensorflow_addons_through_ten_updates(scale, forms):
    ours, theirs = make_variables(), make_variables()
    fused, reference = Lamb(forms=forms, **SETTINGS), tfa.optimizers.LAMB(**SETTINGS)
    for update in range(NUM_UPDATES):
        gradients = make_gradients(update, scale)
        norm = tf.linalg.global_norm(gradients)
        optimization.apply_clipped(fused, gradients, ours, norm=norm)
        clipped, _ = tf.clip_by_global_norm(gradients, optimization.CLIP_NORM)
        reference.apply_gradients(zip(clipped, theirs, strict=True))
        for variable, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(variable, expected, atol=TOLERANCE, err_msg=variable.name)
    assert int(fused.iterations) == NUM_UPDATES
    for slot in ("m", "v"):
        for variable, other in zip(ours, theirs, strict=True):
            expected = reference.get_slot(other, slot).numpy()
            # A moment may be the small rest of larger numbers.
            allowed = TOLERANCE * np.max(np.abs(expected))
            np.testing.assert_allclose(fused.get_slot(variable, slot), expected, atol=allowed)


def test_a_clipped_gradient_has_the_norm_that_it_is_clipped_to():
    variables = [tf.Variable(tf.ones([3]), name="dense/bias")]
    fused = Lamb(**SETTINGS)
    gradient = tf.constant([3.0, 0.0, 4.0])
    optimization.apply_clipped(fused, [gradient], variables, norm=tf.constant(5.0))
    # After one update m is a tenth of the gradient.
    assert np.linalg.norm(fused.get_slot(variables[0], "m") / 0.1) == pytest.approx(1.0)
