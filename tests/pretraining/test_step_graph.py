"""A guard of speed without a clock: what the traced step of each stage runs and writes, pinned.

Most of a step's time that is no matrix product is memory written and read again, so an operation
more on a large tensor shows here. The products' FLOPs are held against the cost model in
tests/pretraining/test_step_flops.py, the bytes of sums over replicas in tests/distribution.
"""

import collections
import json

import pytest
import tensorflow as tf

from mslt_tf.distribution import strategies
from mslt_tf.pretraining import train_step
from mslt_tf.pretraining.stage_parts import StageParts
from tests import tiny
from tests.traced_graphs import reachable

# Products are large enough here to tell them from what is small; nothing is run.
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "vocab_size": 1_000,
    "train_batch_size": 8,
}


def trace(config, stage):
    """Returns the graph of the compiled step of a stage."""
    strategy = strategies.one_machine(all_devices=False)
    span = next(span for span in config.plan.spans if span.stage == stage)
    xla = train_step.choose_xla(config)
    with strategy.scope():
        parts = StageParts.build(config, span, xla)
    steps = train_step.make_train_steps(
        config,
        strategy=strategy,
        model=parts.model,
        optimizer=parts.optimizer,
        global_step=parts.global_step,
        micro_batch_size=stage.batch_size,
        xla=xla,
    )
    batches = iter(tf.data.Dataset.from_tensors(batch_of_zeros(stage)).repeat())
    traced = steps.get_concrete_function(batches, tf.constant(1, tf.int64))
    return traced.graph.as_graph_def(add_shapes=True)


def batch_of_zeros(stage):
    tokens = tf.zeros([stage.batch_size, stage.seq_length], tf.int32)
    predictions = tf.zeros([stage.batch_size, stage.max_predictions_per_seq], tf.int32)
    return {
        **dict.fromkeys(("input_ids", "input_mask", "segment_ids"), tokens),
        **dict.fromkeys(("masked_lm_positions", "masked_lm_ids"), predictions),
        "masked_lm_weights": tf.cast(predictions, tf.float32),
        "next_sentence_labels": tokens[:, 0],
    }


def nodes_outside_of_xla(graph):
    """Yields the nodes of all functions but those that XLA compiles; their calls are nodes too."""
    yield from graph.node
    for function in graph.library.function:
        if not function.attr["_XlaMustCompile"].b:
            yield from needed_nodes(function)


def needed_nodes(function):
    """Returns the nodes that a function's results depend on."""
    nodes = {node.name: node for node in function.node_def}

    def names(references):
        found = (reference.removeprefix("^").partition(":")[0] for reference in references)
        return [name for name in found if name in nodes]  # else an argument

    results = names([*function.ret.values(), *function.control_ret.values()])
    return [nodes[name] for name in reachable(results, lambda name: names(nodes[name].input))]


def sizes_of_outputs(node):
    """Returns how many elements each output of a node has, None where its shape is not known."""
    shapes = node.attr["_output_shapes"].list.shape
    return [tf.TensorShape(shape).num_elements() for shape in shapes]


def figures(graph):
    compiled = {f.signature.name for f in graph.library.function if f.attr["_XlaMustCompile"].b}
    operations = collections.Counter()
    written = unknown = 0
    for node in nodes_outside_of_xla(graph):
        is_compiled = node.attr["f"].func.name in compiled
        operations["compiled chain" if is_compiled else node.op] += 1
        sizes = sizes_of_outputs(node)
        written += sum(size or 0 for size in sizes)
        unknown += sizes.count(None)
    return {
        "million elements written": round(written / 1e6, 3),
        "outputs of unknown shape": unknown,
        "operations": sum(operations.values()),
        "of these": dict(sorted(operations.items())),
    }


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_what_a_step_runs_and_writes_is_pinned(precision, check_golden):
    config = tiny.config(**SIZES, precision=precision, xla="chains")
    found = {stage.name: figures(trace(config, stage)) for stage in config.plan.stages}
    check_golden(f"step_graph_{precision}.json", json.dumps(found, indent=1) + "\n")
