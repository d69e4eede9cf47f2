"""The arithmetic of cost, against figures worked out apart from it.

The expected GFLOP and parameter counts come from the formulas on paper for BERT-Base and -Large at
length 128, 20 predictions and 30,522 word pieces, and for ALBERT-Base of four groups at the same
lengths and 30,000. That the formulas count what really runs is proved on the traced gradient
function: every matrix product in it that is used, but for sums of rows, by its static shapes.
"""

import collections
import functools

import pytest
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.methods import make_plan
from mslt_tf.model_config import ModelConfig
from mslt_tf.pretraining import losses, stage_model, train_step
from tests import tiny
from tests.traced_graphs import reachable

BASE = ModelConfig()
LARGE = ModelConfig(
    hidden_size=1_024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4_096
)
ALBERT = ModelConfig(vocab_size=30_000, embedding_size=128, num_hidden_groups=4)
# No two alike, so that no size can stand for another in a product.
UNLIKE_SIZES = {
    "vocab_size": 53,
    "type_vocab_size": 2,
    "hidden_size": 12,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 31,
    "max_seq_length": 17,
    "max_predictions_per_seq": 7,
    "train_batch_size": 11,
}
# The products of a traced gradient function, by what they are for.
Traced = collections.namedtuple("Traced", "forward input_gradient weight_gradient")


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
    counted = parts_of(cost_model.stage_cost(BASE, plan(BASE).stages[stage]))
    expected = (forward, input_gradient, weight_gradient)
    assert [flops / 1e9 for flops in counted] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("stage", "forward", "input_gradient", "weight_gradient"),
    [
        # Three layers: dense 1,811,939,328 and attention 50,331,648 each; widening 25,165,824,
        # output matrix 153,600,000, transform and pooler 5,111,808 in each of the three.
        (0, 5_770_690_560, 5_921_685_504, 5_619_695_616),
        # Frozen below: no gradient of the output matrix or to the edge's input, 452,984,832.
        (1, 11_357_503_488, 5_443_534_848, 5_440_929_792),
        (2, 16_944_316_416, 5_443_534_848, 5_440_929_792),
        (3, 22_531_129_344, 5_443_534_848, 5_440_929_792),
        (4, 22_531_129_344, 23_135_109_120, 21_927_149_568),
    ],
)
def test_flops_per_sequence_of_albert(stage, forward, input_gradient, weight_gradient):
    cost = cost_model.stage_cost(ALBERT, plan(ALBERT).stages[stage])
    assert parts_of(cost) == (forward, input_gradient, weight_gradient)


def test_albert_takes_68_gflop_a_sequence_where_all_trains():
    joint = plan(ALBERT).stages[-1]
    assert cost_model.stage_cost(ALBERT, joint).flops / 1e9 == pytest.approx(67.59, abs=0.005)


@pytest.mark.parametrize(
    ("model", "relative"),
    [
        (BASE, [0.281, 0.341, 0.421, 0.501, 1]),
        (LARGE, [0.262, 0.336, 0.418, 0.500, 1]),
        (ALBERT, [0.256, 0.329, 0.412, 0.494, 1]),
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
    ("model", "method", "speedup"),
    [
        (BASE, "mslt", 1.97),
        (LARGE, "mslt", 1.99),
        (ALBERT, "mslt", 2.01),
        (BASE, "stacking", 1.21),
        (BASE, "original", 1),
        (ALBERT, "original", 1),
    ],
)
def test_arithmetic_speedup(model, method, speedup):
    counted = cost_model.speedup_over_original(model, plan(model, method))
    assert counted == pytest.approx(speedup, abs=0.005)


FOUR_GROUPS = {"num_hidden_groups": 4, "num_hidden_layers": 8}
SHAPES = {
    "bert": {},
    "albert": {"embedding_size": 10, **FOUR_GROUPS},
    "groups_alone": FOUR_GROUPS,
    "narrow_embeddings_alone": {"embedding_size": 10},
}
HALF_OF_ALBERT = ("groups_alone", "narrow_embeddings_alone")


@pytest.mark.parametrize(
    ("shape", "stage"),
    [
        *(("bert", stage) for stage in range(5)),
        *(("albert", stage) for stage in (1, 4)),
        *(pytest.param("albert", stage, marks=pytest.mark.slow) for stage in (0, 2, 3)),
    ],
)
def test_the_traced_products_are_exactly_those_counted(shape, stage):
    assert_exactly_counted(tiny.config(**UNLIKE_SIZES | SHAPES[shape]), stage)


@pytest.mark.slow
@pytest.mark.parametrize("shape", HALF_OF_ALBERT)
@pytest.mark.parametrize("stage", [1, 4])
def test_the_traced_products_are_those_counted_with_half_of_albert(shape, stage):
    assert_exactly_counted(tiny.config(**UNLIKE_SIZES | SHAPES[shape]), stage)


@pytest.mark.parametrize("shape", ["bert", pytest.param("albert", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"method": "stacking"}, 1),
        ({"num_stages": 2}, 1),  # two blocks train above two that are frozen
        ({"precision": "bfloat16"}, 2),
    ],
)
def test_the_traced_products_are_those_counted_in_other_plans_too(shape, changes, stage):
    assert_exactly_counted(tiny.config(**UNLIKE_SIZES | SHAPES[shape] | changes), stage)


@pytest.mark.parametrize(
    "shape", ["bert", "albert", *(pytest.param(s, marks=pytest.mark.slow) for s in HALF_OF_ALBERT)]
)
def test_trainable_parameters_are_those_of_the_built_model(shape):
    config = tiny.config(**UNLIKE_SIZES | SHAPES[shape])
    for stage in config.plan.stages:
        model = stage_model.build(config, stage)
        built = sum(variable.shape.num_elements() for variable in model.trainable_variables)
        assert cost_model.trainable_parameters(config.model, stage) == built, stage.name


def parts_of(cost):
    return (cost.forward_flops, cost.input_gradient_flops, cost.weight_gradient_flops)


def assert_exactly_counted(config, stage_index):
    """Compares each part of the cost with the products that one batch of the stage takes."""
    stage = config.plan.stages[stage_index]
    cost = cost_model.stage_cost(config.model, stage)
    left_out = uncounted_flops(config.model, stage)
    expected = [
        stage.batch_size * (counted + small)
        for counted, small in zip(parts_of(cost), left_out, strict=True)
    ]
    assert traced_flops(config, stage) == Traced(*expected)


def uncounted_flops(config, stage):
    """Returns the small products that the cost model leaves out, per sequence."""
    # One-hot rows times the table of segments; the rows have no gradient, the table may have.
    segments = 2 * stage.seq_length * config.type_vocab_size * config.embedding_width
    sentence_pair = 2 * config.hidden_size * 2
    return (
        segments + sentence_pair,
        sentence_pair,
        stage.trains_embeddings * segments + sentence_pair,
    )


def traced_flops(config, stage):
    """Returns the FLOPs of all matrix products in the gradient function of one replica."""
    xla = train_step.choose_xla(config)
    model = stage_model.build(config, stage, forms=train_step.forms_for(xla))
    optimizer = tf.keras.optimizers.legacy.SGD()  # only asked whether it scales the loss
    compute = train_step.make_gradient_function(
        model, optimizer, micro_batch_size=stage.batch_size, xla=xla
    )
    scalar = tf.TensorSpec([], tf.float32)
    traced = tf.function(compute).get_concrete_function(
        batch_specs(stage), losses.LossCounts(scalar, scalar), tf.TensorSpec([2], tf.int64)
    )
    totals = dict.fromkeys(Traced._fields, 0)
    for product in matrix_products(traced.graph):
        totals[purpose(product)] += flops_of(product)
    return Traced(**totals)


def batch_specs(stage):
    tokens = tf.TensorSpec([stage.batch_size, stage.seq_length], tf.int32)
    masked = tf.TensorSpec([stage.batch_size, stage.max_predictions_per_seq], tf.int32)
    return {
        "input_ids": tokens,
        "input_mask": tokens,
        "segment_ids": tokens,
        "masked_lm_positions": masked,
        "masked_lm_ids": masked,
        "masked_lm_weights": tf.TensorSpec(masked.shape, tf.float32),
        "next_sentence_labels": tf.TensorSpec([stage.batch_size], tf.int32),
    }


def matrix_products(graph):
    """Yields the matrix products of a graph and of the functions that it calls.

    But for those whose result nothing uses: TensorFlow drops them before it runs the graph.
    """
    for operation in needed_for(graph):
        if operation.type in ("MatMul", "BatchMatMulV2"):
            if not is_sum(operation):
                yield operation
        elif operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
            yield from matrix_products(graph._get_function(operation.get_attr("f").name).graph)
        else:  # nothing that hides a product: another kind of product, a loop, a branch
            assert "MatMul" not in operation.type, operation.type
            assert operation.type not in ("Einsum", "Conv2D"), operation.type
            attributes = operation.node_def.attr.values()
            assert not any(attribute.HasField("func") for attribute in attributes), operation


def is_sum(product):
    """Returns whether a product adds up rows, by a row of ones: the gradient of a bias."""
    return product.inputs[0].shape[0] == 1 and product.inputs[0].op.type in ("Const", "Fill")


def purpose(product):
    if product in needed_for(product.graph, num_outputs=2):  # the losses
        return "forward"
    # x^T dy is a gradient to weights; attention has none, its two factors are both activations.
    is_to_weights = product.type == "MatMul" and product.get_attr("transpose_a")
    return "weight_gradient" if is_to_weights else "input_gradient"


@functools.lru_cache(maxsize=2)
def needed_for(graph, num_outputs=None):
    """Returns the operations that the first outputs of a graph, or all, depend on."""
    return reachable(
        [tensor.op for tensor in graph.outputs[:num_outputs]],
        lambda operation: [*(x.op for x in operation.inputs), *operation.control_inputs],
    )


def flops_of(product):
    """Returns 2 m k n, times the size of the batch of matrices."""
    first = product.inputs[0].shape
    is_transposed = product.get_attr("transpose_a" if product.type == "MatMul" else "adj_x")
    return 2 * first[-2 if is_transposed else -1] * product.outputs[0].shape.num_elements()
