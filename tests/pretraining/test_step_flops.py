"""That the cost model counts what really runs.

The reference is the traced gradient function of each stage: every matrix product in it that is
used, but for sums of rows, by its static shapes.
"""

import collections
import functools

import pytest
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.modeling import bert
from mslt_tf.pretraining import losses, stage_model, train_step
from tests import tiny
from tests.traced_graphs import reachable

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


@pytest.mark.parametrize("stage", [1, 4])
def test_the_traced_products_are_those_counted_where_all_is_read(stage, monkeypatch):
    build = bert.build_bert

    def build_to_read_everywhere(*args, **options):
        return build(*args, **options | {"read_at": bert.ReadAt.EVERYWHERE})

    monkeypatch.setattr(bert, "build_bert", build_to_read_everywhere)
    assert_exactly_counted(tiny.config(**UNLIKE_SIZES), stage, reads_everywhere=True)


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


def assert_exactly_counted(config, stage_index, *, reads_everywhere=False):
    """Compares each part of the cost with the products that one batch of the stage takes."""
    stage = config.plan.stages[stage_index]
    cost = cost_model.stage_cost(config.model, stage, reads_everywhere=reads_everywhere)
    parts = (cost.forward_flops, cost.input_gradient_flops, cost.weight_gradient_flops)
    left_out = uncounted_flops(config.model, stage)
    expected = [
        stage.batch_size * (counted + small) for counted, small in zip(parts, left_out, strict=True)
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
