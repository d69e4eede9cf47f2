"""float16, whose loss is scaled, on two logical devices."""

import numpy as np
import pytest

from mslt_tf import cost_model
from mslt_tf.distribution import gradient_sums, strategies
from mslt_tf.pretraining import train_step
from tests import tiny
from tests.pretraining.trained_stage import NO_DROPOUT, Trained

pytestmark = pytest.mark.multi_device


def two_replicas(records, **settings):
    config = tiny.config(precision="float16", **settings, **NO_DROPOUT)
    strategy = strategies.one_machine(all_devices=True)
    assert strategy.num_replicas_in_sync == 2
    return config, Trained(config, records, strategy=strategy)


def on_each(trained, variable):
    """Returns a variable's values on both replicas."""
    return [value.numpy() for value in trained.strategy.experimental_local_results(variable)]


@pytest.mark.slow
def test_the_loss_falls_on_two_replicas_and_a_step_carries_what_the_cost_model_says(records):
    settings = {"num_train_steps": 60, "learning_rate": 0.05, "method": "original"}
    config, trained = two_replicas(records, **settings)
    first = trained.train(5)[0][0]
    trained.train(40)
    last = trained.train(5)[0][0]
    assert last < first - 0.1
    assert np.isfinite(last)
    carried = gradient_sums.measure(trained.concrete_function(), num_local_replicas=2)
    cost = cost_model.stage_cost(config.model, config.plan.stages[0])
    assert carried.num_bytes == cost.all_reduce_bytes()


@pytest.mark.slow
def test_an_overflow_is_skipped_on_both_replicas_and_counted_once(records):
    _, trained = two_replicas(records)
    scale = trained.optimizer._loss_scale._current_loss_scale
    scale.assign(1e38)
    before = [on_each(trained, variable) for variable in trained.model.trainable_variables]
    metrics, bad_step = trained.train(1)
    assert bad_step == train_step.ALL_FINITE
    assert metrics.skipped_updates == 1
    assert np.isfinite(metrics).all()
    after = [on_each(trained, variable) for variable in trained.model.trainable_variables]
    np.testing.assert_equal(after, before)
    assert on_each(trained, scale) == [np.float32(1e38) / 2] * 2
