"""An update of AdamW against NumPy, and the learning rate by hand."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.finetuning import objectives, task_model, train_step
from tests.modeling.small_models import randomize_weights, tiny_config

RATES, DECAY = (0.0, 0.002, 0.001), 0.1
# A word that stands twice in a sequence and again in the other one; padding.
IDS = np.array([[7, 9, 9, 11, 13], [9, 30, 31, 0, 0]], np.int32)
BATCH = {
    "input_ids": IDS,
    "input_mask": (IDS > 0).astype(np.int32),
    "segment_ids": np.array([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]], np.int32),
}
TARGETS = np.array([2, 0])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.0), (5, 0.25), (10, 0.5), (19, 0.95), (20, 1.0), (110, 0.5), (199, 1 / 180)],
)
def test_the_rate_rises_for_a_tenth_and_falls_to_zero(step, expected):
    rate = train_step.learning_rate(step, peak=1.0, num_steps=200, warmup_fraction=0.1)
    assert rate == pytest.approx(expected)


@pytest.mark.parametrize(("num_steps", "fraction"), [(9, 0.1), (5, 0.0)])
def test_without_warm_up_the_first_rate_is_the_peak(num_steps, fraction):
    def rate(step):
        return train_step.learning_rate(
            step, peak=0.3, num_steps=num_steps, warmup_fraction=fraction
        )

    assert rate(0) == 0.3
    assert rate(num_steps - 1) == pytest.approx(0.3 / num_steps)


def gradients_of(model):
    """Returns the gradient of the mean loss by each variable's name, rows of tables summed."""
    with tf.GradientTape() as tape:
        logits = model({**BATCH, "dropout_seed": tf.constant([0, 0], tf.int64)}, training=True)
        shares = tf.nn.log_softmax(logits)
        loss = -(shares[0, TARGETS[0]] + shares[1, TARGETS[1]]) / 2
    found = tape.gradient(loss, {v.name: v for v in model.trainable_variables})
    gradients = {}
    for variable in model.trainable_variables:
        gradient = found[variable.name]
        if isinstance(gradient, tf.IndexedSlices):
            dense = np.zeros(variable.shape, np.float32)
            np.add.at(dense, gradient.indices.numpy(), gradient.values.numpy())
            gradient = dense
        gradients[variable.name] = np.asarray(gradient)
    return float(loss), gradients


class NumpyAdamW:
    """Loshchilov and Hutter's, in the order of operations that Kingma and Ba give in section 2."""

    def __init__(self):
        self.count, self.m, self.v = 0, {}, {}

    def update(self, name, weight, gradient, rate):
        m = self.m[name] = 0.9 * self.m.get(name, 0) + 0.1 * gradient
        v = self.v[name] = 0.999 * self.v.get(name, 0) + 0.001 * gradient**2
        corrected = rate * np.sqrt(1 - 0.999**self.count) / (1 - 0.9**self.count)
        is_plain = "layer_norm" in name or "bias" in name
        decayed = weight if is_plain else weight - rate * DECAY * weight
        return decayed - corrected * m / (np.sqrt(v) + 1e-6)


def test_updates_are_those_of_adamw_on_clipped_gradients():
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = tiny_config(num_hidden_layers=1, **no_dropout)
    objective = objectives.classification(3)
    model = task_model.build(config, objective, seed=0)
    names = [v.name for v in model.trainable_variables]
    assert len(set(names)) == len(names)
    optimizer = train_step.make_optimizer(model.trainable_variables, weight_decay=DECAY)
    update = train_step.make_train_step(model, objective, optimizer)
    adamw = NumpyAdamW()
    for step, rate in enumerate(RATES):
        if step == 2:
            randomize_weights(model)  # initial weights are small, and so are their gradients
        before = {v.name: v.numpy() for v in model.trainable_variables}
        expected_loss, gradients = gradients_of(model)
        expected_norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients.values()))
        assert (expected_norm > 1) == (step >= 2)
        loss, norm = update(
            {name: tf.constant(value) for name, value in BATCH.items()},
            tf.constant(TARGETS, tf.int32),
            tf.constant(rate),
            tf.constant([3, 4], tf.int64),
        )
        assert float(loss) == pytest.approx(expected_loss, rel=1e-5)
        assert float(norm) == pytest.approx(expected_norm, rel=1e-4)
        adamw.count += 1
        for variable in model.trainable_variables:
            name = variable.name
            clipped = gradients[name] / max(1.0, expected_norm)
            expected = adamw.update(name, before[name], clipped, rate)
            np.testing.assert_allclose(variable, expected, atol=2e-6, err_msg=name)
            if rate:
                assert (variable.numpy() != before[name]).any(), name
