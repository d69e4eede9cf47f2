"""The arithmetic of cost, against figures worked out apart from it.

The expected GFLOP and parameter counts come from the formulas on paper for BERT-Base and -Large at
length 128, 20 predictions and 30,522 word pieces, and for ALBERT-Base of four groups at the same
lengths and 30,000. That the formulas count what really runs is proved in
tests/pretraining/test_step_flops.py.
"""

import pytest

from mslt_tf import cost_model
from mslt_tf.methods import make_plan
from mslt_tf.model_config import ModelConfig

BASE = ModelConfig()
LARGE = ModelConfig(
    hidden_size=1_024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4_096
)
ALBERT = ModelConfig(vocab_size=30_000, embedding_size=128, num_hidden_groups=4)


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
        (0, 5.245, 5.354, 5.136),
        (1, 10.832, 4.901, 4.198),
        (2, 16.419, 4.901, 4.198),
        (3, 22.005, 4.901, 4.198),
        (4, 22.005, 22.567, 21.443),
    ],
)
def test_gflop_per_sequence_of_base(stage, forward, input_gradient, weight_gradient):
    counted = parts_of(cost_model.stage_cost(BASE, plan(BASE).stages[stage]))
    expected = (forward, input_gradient, weight_gradient)
    assert [flops / 1e9 for flops in counted] == pytest.approx(expected, abs=0.0006)


def test_computing_all_of_the_last_layer_costs_what_it_does_in_other_code():
    joint = plan(BASE).stages[-1]
    cost = cost_model.stage_cost(BASE, joint, reads_everywhere=True)
    assert [flops / 1e9 for flops in parts_of(cost)] == pytest.approx(
        [23.31, 23.91, 22.71], abs=0.005
    )


@pytest.mark.parametrize(
    ("stage", "forward", "input_gradient", "weight_gradient"),
    [
        # Two layers: dense 1,811,939,328 and attention 50,331,648 each; the last one, at 21 of 128
        # positions: 549,715,968 and 8,257,536; widening 25,165,824, output matrix 153,600,000,
        # transform and pooler 5,111,808 in each of the three.
        (0, 4_466_393_088, 4_575_313_920, 4_357_472_256),
        # Frozen below: no gradient of the output matrix or to the edge's input, 452,984,832.
        (1, 10_053_206_016, 4_097_163_264, 4_178_706_432),
        (2, 15_640_018_944, 4_097_163_264, 4_178_706_432),
        (3, 21_226_831_872, 4_097_163_264, 4_178_706_432),
        (4, 21_226_831_872, 21_788_737_536, 20_664_926_208),
    ],
)
def test_flops_per_sequence_of_albert(stage, forward, input_gradient, weight_gradient):
    cost = cost_model.stage_cost(ALBERT, plan(ALBERT).stages[stage])
    assert parts_of(cost) == (forward, input_gradient, weight_gradient)


def test_albert_takes_64_gflop_a_sequence_where_all_trains():
    joint = plan(ALBERT).stages[-1]
    assert cost_model.stage_cost(ALBERT, joint).flops / 1e9 == pytest.approx(63.68, abs=0.005)


@pytest.mark.parametrize(
    ("model", "relative"),
    [
        (BASE, [0.238, 0.302, 0.387, 0.471, 1]),
        (LARGE, [0.240, 0.316, 0.400, 0.485, 1]),
        (ALBERT, [0.210, 0.288, 0.376, 0.463, 1]),
    ],
)
def test_cost_of_a_stage_relative_to_the_original(model, relative):
    counted = [cost_model.relative_cost(model, stage) for stage in plan(model).stages]
    assert counted == pytest.approx(relative, abs=0.0006)


@pytest.mark.parametrize(
    ("model", "millions"),
    [
        (BASE, [46.316, 22.478, 22.478, 22.478, 110.106]),
        (LARGE, [109.494, 77.711, 77.711, 77.711, 336.226]),
        (ALBERT, [11.813810, 7.808690, 7.808690, 7.808690, 33.077426]),
    ],
)
def test_trainable_parameters(model, millions):
    counted = [cost_model.trainable_parameters(model, stage) for stage in plan(model).stages]
    assert [count / 1e6 for count in counted] == pytest.approx(millions, abs=0.0006)


def test_all_reduce_carries_four_bytes_a_trainable_parameter():
    costs = [cost_model.stage_cost(BASE, stage) for stage in plan(BASE).stages]
    assert [round(cost.all_reduce_bytes() / 1e6) for cost in costs] == [185, 90, 90, 90, 440]


@pytest.mark.parametrize(
    ("model", "method", "over_original", "over_ordinary"),
    [
        (BASE, "mslt", 2.085, 2.209),
        (LARGE, "mslt", 2.048, 2.109),
        (ALBERT, "mslt", 2.139, 2.271),
        (BASE, "stacking", 1.226, 1.298),
        (BASE, "original", 1, 1.059),
        (ALBERT, "original", 1, 1.061),
    ],
)
def test_arithmetic_speedups(model, method, over_original, over_ordinary):
    speedups = (cost_model.speedup_over_original, cost_model.speedup_over_ordinary)
    found = [speedup(model, plan(model, method)) for speedup in speedups]
    assert found == pytest.approx([over_original, over_ordinary], abs=0.0006)


def parts_of(cost):
    return (cost.forward_flops, cost.input_gradient_flops, cost.weight_gradient_flops)
