"""Our AdamW against Keras': the same weights, slots and decay."""

import numpy as np
import tensorflow as tf

from mslt_tf.training.adamw import AdamW

NO_DECAY = ("layer_norm", "bias")
NAMES = ("kernel", "bias", "layer_norm/gamma")
SETTINGS = {"learning_rate": 0.0, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-6}


def train(optimizer):
    """Returns the weights and all that the optimizer keeps, after updates at several rates."""
    rng = np.random.default_rng(1)
    variables = [tf.Variable(rng.normal(size=[3, 4]).astype("f"), name=name) for name in NAMES]
    optimizer.build(variables)

    @tf.function
    def step(gradients, rate):
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    for rate in (0.0, 0.1, 0.2, 0.05):
        gradients = [tf.constant(rng.normal(size=[3, 4]), tf.float32) for _ in NAMES]
        step(gradients, tf.constant(rate))
    return [value.numpy() for value in (*variables, *optimizer.variables)]


def test_weights_and_slots_are_those_of_keras():
    theirs = tf.keras.optimizers.AdamW(weight_decay=0.5, jit_compile=False, **SETTINGS)
    theirs.exclude_from_weight_decay(var_names=list(NO_DECAY))
    expected = train(theirs)
    ours = train(AdamW(decay_rate=0.5, no_decay_patterns=NO_DECAY, **SETTINGS))
    for mine, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)
    without = train(AdamW(decay_rate=0.0, no_decay_patterns=NO_DECAY, **SETTINGS))
    decayed = [not np.allclose(a, b) for a, b in zip(ours, without, strict=True)][: len(NAMES)]
    assert decayed == [True, False, False]
