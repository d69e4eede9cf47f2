"""The arithmetic of cost, against figures worked out apart from it.

The expected GFLOP and parameter counts come from the formulas on paper for BERT-Base and -Large at
length 128, 20 predictions and 30,522 word pieces.
"""

import pytest

from mslt_tf import cost_model
from mslt_tf.methods import make_plan
from mslt_tf.model_config import ModelConfig

BASE = ModelConfig()
LARGE = ModelConfig(
    hidden_size=1_024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4_096
)


def plan(model, method="mslt"):
    return make_plan(
        method,
        num_blocks=model.num_blocks,
        num_stages=4,
        num_train_steps=1_000_000,
        joint_fraction=0.2,
        seq_length=128,
        max_predictions_per_seq=20,
        batch_size=1_024,
    )


@pytest.mark.parametrize(
    ("stage", "forward", "input_gradient", "weight_gradient"),
    [
        (0, 6.55, 6.70, 6.40),
        (1, 12.14, 6.25, 5.46),
        (2, 17.72, 6.25, 5.46),
        (3, 23.31, 6.25, 5.46),
        (4, 23.31, 23.91, 22.71),
    ],
)
def test_gflop_per_sequence_of_base(stage, forward, input_gradient, weight_gradient):
    cost = cost_model.stage_cost(BASE, plan(BASE).stages[stage])
    counted = (cost.forward_flops, cost.input_gradient_flops, cost.weight_gradient_flops)
    expected = (forward, input_gradient, weight_gradient)
    assert [flops / 1e9 for flops in counted] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("model", "relative"),
    [(BASE, [0.281, 0.341, 0.421, 0.501, 1]), (LARGE, [0.262, 0.336, 0.418, 0.500, 1])],
)
def test_cost_of_a_stage_relative_to_the_original(model, relative):
    counted = [cost_model.relative_cost(model, stage) for stage in plan(model).stages]
    assert counted == pytest.approx(relative, abs=0.0006)


@pytest.mark.parametrize(
    ("model", "millions"),
    [
        (BASE, [46.316, 22.478, 22.478, 22.478, 110.106]),
        (LARGE, [109.494, 77.711, 77.711, 77.711, 336.226]),
    ],
)
def test_trainable_parameters(model, millions):
    counted = [cost_model.trainable_parameters(model, stage) for stage in plan(model).stages]
    assert [count / 1e6 for count in counted] == pytest.approx(millions, abs=0.0006)


def test_all_reduce_carries_four_bytes_a_trainable_parameter():
    costs = [cost_model.stage_cost(BASE, stage) for stage in plan(BASE).stages]
    assert [round(cost.all_reduce_bytes / 1e6) for cost in costs] == [185, 90, 90, 90, 440]


@pytest.mark.parametrize(
    ("model", "method", "speedup"),
    [(BASE, "mslt", 1.97), (LARGE, "mslt", 1.99), (BASE, "stacking", 1.21), (BASE, "original", 1)],
)
def test_arithmetic_speedup(model, method, speedup):
    counted = cost_model.speedup_over_original(model, plan(model, method))
    assert counted == pytest.approx(speedup, abs=0.005)
