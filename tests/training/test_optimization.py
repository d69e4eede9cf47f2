"""LAMB against NumPy, the schedule against a hand calculation, and what decays."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.config import OptimizerConfig
from mslt_tf.modeling import bert
from mslt_tf.pretraining import stage_model
from mslt_tf.training import optimization
from tests import tiny

FOUR_GROUPS = {"embedding_size": 6, "num_hidden_layers": 8, "num_hidden_groups": 4}
CONFIG = OptimizerConfig(learning_rate=0.1, num_warmup_steps=4, num_train_steps=10)


def rate(step, **changes):
    first_step = changes.pop("first_step", 0)
    config = dataclasses.replace(CONFIG, **changes)
    return float(optimization.learning_rate(tf.constant(step), config, optimizer_start=first_step))


def test_the_rate_rises_to_its_peak_then_falls_to_zero_at_the_end():
    rates = [rate(step) for step in range(11)]
    warming_up = [0, 0.025, 0.05, 0.075]
    decaying = [0.06, 0.05, 0.04, 0.03, 0.02, 0.01, 0]  # peak x (1 - step / 10), BERT's
    np.testing.assert_allclose(rates, warming_up + decaying, atol=1e-7)


def test_without_warm_up_the_rate_begins_at_its_peak():
    assert rate(0, num_warmup_steps=0) == pytest.approx(0.1)


def test_a_stage_warm_up_scales_the_rate_after_a_fresh_optimizer():
    changes = {"first_step": 5, "stage_warmup_steps": 2}
    np.testing.assert_allclose(
        [rate(step, **changes) for step in (5, 6, 7)], [0.05 / 2, 0.04, 0.03], rtol=1e-6
    )
    assert rate(3, stage_warmup_steps=2) == pytest.approx(0.075)  # the first has the run's own


class NumpyLamb:
    """LAMB by the paper's algorithm 2 with bias correction, one variable."""

    def __init__(self, weights, *, decays):
        self.w, self.m, self.v, self.t = weights.astype(np.float64), 0.0, 0.0, 0
        self.decays = decays

    def step(self, gradient, learning_rate):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * gradient**2
        update = (self.m / (1 - 0.9**self.t)) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-6)
        ratio = 1.0
        if self.decays:
            update = update + 0.01 * self.w
            ratio = np.linalg.norm(self.w) / np.linalg.norm(update)
        self.w = self.w - learning_rate * ratio * update


def test_four_updates_equal_lamb_in_numpy():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=[3, 4]), rng.normal(size=[4])
    variables = [
        tf.Variable(kernel, dtype=tf.float32, name="dense/kernel"),
        tf.Variable(bias, dtype=tf.float32, name="dense/bias"),
    ]
    global_step = tf.Variable(2, dtype=tf.int64)
    optimizer = optimization.make_optimizer(
        CONFIG, global_step=global_step, optimizer_start=2, variables=variables, precision="float32"
    )
    references = [NumpyLamb(kernel, decays=True), NumpyLamb(bias, decays=False)]
    for _ in range(4):
        gradients = [rng.normal(size=v.shape).astype(np.float32) for v in variables]
        optimizer.apply_gradients(zip(map(tf.constant, gradients), variables, strict=True))
        for reference, gradient in zip(references, gradients, strict=True):
            reference.step(gradient, rate(int(global_step)))
        global_step.assign_add(1)
    for reference, variable in zip(references, variables, strict=True):
        np.testing.assert_allclose(variable, reference.w, rtol=2e-5)


def lamb_for(variables):
    return optimization.make_optimizer(
        CONFIG,
        global_step=tf.Variable(0, dtype=tf.int64),
        optimizer_start=0,
        variables=variables,
        precision="float32",
    )


def which_decay(config):
    """Returns for each variable of a one-block model whether it decays."""
    model = bert.build_bert(config.model, num_blocks=1)
    optimizer, decays = lamb_for([]), {}
    for variable in model.trainable_variables:
        decays[variable.name] = optimizer._do_use_weight_decay(variable)  # what LAMB goes by
        assert optimizer._do_layer_adaptation(variable) == decays[variable.name]
    return decays


def test_the_variables_that_decay_are_the_pinned_ones(check_golden):
    lines = [
        f"{'decays' if decays else 'exempt'}  {name}"
        for name, decays in which_decay(tiny.config()).items()
    ]
    check_golden("decayed_variables.txt", "\n".join(sorted(lines)) + "\n")


def test_albert_decays_what_bert_does_and_the_matrix_of_the_projection():
    projection = {"embeddings/projection/kernel:0": True, "embeddings/projection/bias:0": False}
    expected = which_decay(tiny.config()) | projection
    assert which_decay(tiny.config(**FOUR_GROUPS)) == expected
    assert expected["encoder_0/attention/query/kernel:0"]
    assert not expected["encoder_0/attention/query/bias:0"]


@pytest.mark.parametrize("sizes", [{}, FOUR_GROUPS], ids=["bert", "albert"])
@pytest.mark.parametrize("stage", range(5))
def test_slots_exist_for_exactly_what_trains(sizes, stage):
    config = tiny.config(**sizes)
    model = stage_model.build(config, config.plan.stages[stage])
    optimizer = lamb_for(model.trainable_variables)
    slots = {variable.name: variable.shape for variable in optimizer.weights[1:]}
    expected = {
        f"{variable.name.removesuffix(':0')}/{slot}:0": variable.shape
        for variable in model.trainable_variables
        for slot in ("m", "v")
    }
    assert optimizer.weights[0].name == "iter:0"
    assert slots == expected
    assert (len(slots) == 2 * len(model.variables)) == (stage in (0, 4))


def test_float16_scales_the_loss_and_unscales_the_gradients():
    variable = tf.Variable([1.0, 2.0])
    optimizer = optimization.make_optimizer(
        CONFIG,
        global_step=tf.Variable(4, dtype=tf.int64),
        optimizer_start=0,
        variables=[variable],
        precision="float16",
    )
    loss = tf.constant(3.0)
    scaled = optimization.scale_loss(optimizer, loss)
    assert float(scaled) > 1_000 * float(loss)
    (unscaled,) = optimization.unscale_gradients(optimizer, [scaled * tf.ones(2)])
    np.testing.assert_allclose(unscaled, [3.0, 3.0])
    before, scale = variable.numpy(), float(optimizer.loss_scale)
    optimizer.apply_gradients([(tf.constant([np.inf, 1.0]), variable)])
    np.testing.assert_array_equal(variable, before)  # an overflow changes no weight
    assert float(optimizer.loss_scale) == scale / 2


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_state_is_handed_over_whole(precision):
    def optimizer():
        return optimization.make_optimizer(
            CONFIG,
            global_step=tf.Variable(0, dtype=tf.int64),
            optimizer_start=0,
            variables=[variable],
            precision=precision,
        )

    variable = tf.Variable([1.0, 2.0], name="kernel")
    used, fresh = optimizer(), optimizer()
    for gradient in ([1.0, 1.0], [float("inf"), 1.0])[: 1 + (precision == "float16")]:
        # The second overflows: the loss scale is halved.
        used.apply_gradients([(tf.constant(gradient), variable)])
    optimization.set_state(fresh, optimization.get_state(used))
    for ours, theirs in zip(
        optimization.get_state(fresh), optimization.get_state(used), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert int(fresh.iterations) == int(used.iterations) > 0
    if precision == "float16":
        assert float(fresh.loss_scale) == float(used.loss_scale) < float(optimizer().loss_scale)
