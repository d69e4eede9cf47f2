"""The last layer where it is read, against one that is computed everywhere."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling import weights
from mslt_tf.modeling.bert import MASKED_LM, ReadAt, build_bert
from mslt_tf.modeling.forms import Forms
from tests.modeling.small_models import (
    random_inputs,
    randomize_weights,
    tiny_albert_config,
    tiny_config,
)

BERT, ALBERT = tiny_config(), tiny_albert_config()
# Twice the same, [CLS] as in the padding of predictions, and padding of the sequence.
POSITIONS = np.array([[1, 4, 4, 9, 0], [2, 3, 0, 0, 0], [5, 5, 12, 15, 1]], np.int32)
READ = {
    ReadAt.CLS: ["pooled_output", "sentence_pair_logits"],
    ReadAt.CLS_AND_MASKED: ["pooled_output", "sentence_pair_logits", "masked_lm_logits"],
}
# Of the largest gradient: rows are added up in another order, and rounded to the type.
TOLERANCES = {"float32": 1e-6, "mixed_bfloat16": 4 * 2.0**-8}


@functools.cache
def weights_for(config):
    model = build_bert(config, num_blocks=2)
    randomize_weights(model)
    return weights.weights_of(model)


def made(config, read_at, **options):
    """Returns a model with the same weights for each `read_at`, and inputs for it."""
    model = build_bert(config, num_blocks=2, read_at=read_at, **options)
    weights.load(model, weights_for(config))
    inputs = random_inputs(config) | {"masked_lm_positions": tf.constant(POSITIONS)}
    return model, {name: inputs[name] for name in model.input}


def in_training(model, inputs, names):
    """Returns the named outputs, and the gradients of a loss that reads them all."""
    variables = {v.name: v for v in model.trainable_variables}
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        wide = [tf.cast(outputs[name], tf.float32) for name in names]
        loss = sum(tf.reduce_mean(tf.square(output)) for output in wide)
    gradients = tape.gradient(loss, variables)
    return wide, {n: tf.convert_to_tensor(g) for n, g in gradients.items() if g is not None}


def run_as(forms):
    """Returns a way to run models of these forms: XLA compiles all, chains or nothing."""
    if forms is Forms.DEFINITIONS:
        return in_training
    compiles_all = forms is Forms.FAST or None
    return tf.function(in_training, autograph=False, jit_compile=compiles_all)


@pytest.mark.parametrize(
    ("config", "dtype", "forms", "read_at"),
    [
        *itertools.product([BERT, ALBERT], TOLERANCES, [Forms.DEFINITIONS], READ),
        (BERT, "float32", Forms.COMPILED, ReadAt.CLS_AND_MASKED),
        pytest.param(
            *(ALBERT, "mixed_bfloat16", Forms.FAST, ReadAt.CLS_AND_MASKED),
            marks=pytest.mark.slow,  # XLA takes its time for all at once
        ),
    ],
)
def test_reading_at_some_positions_changes_no_output_and_no_gradient(config, dtype, forms, read_at):
    (found, gradients), (expected, wanted) = (
        run_as(forms)(*made(config, at, compute_dtype=dtype, forms=forms), READ[read_at])
        for at in (read_at, ReadAt.EVERYWHERE)
    )
    # With dropout: a position's units are dropped as they are where all positions are computed.
    for name, ours, theirs in zip(READ[read_at], found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=name)
    assert gradients.keys() == wanted.keys()
    allowed = TOLERANCES[dtype] * max(np.max(np.abs(gradient)) for gradient in wanted.values())
    for name, gradient in wanted.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=allowed, err_msg=name)


def test_a_model_that_reads_cls_alone_has_no_masked_lm_head_and_takes_no_positions():
    model, inputs = made(BERT, ReadAt.CLS)
    assert "masked_lm_positions" not in inputs
    assert model(inputs).keys() == {"pooled_output", "sentence_pair_logits"}
    assert MASKED_LM not in weights.weights_of(model)


@pytest.mark.parametrize("read_at", READ)
def test_outside_of_training_the_outputs_are_the_same_too(read_at):
    model, inputs = made(ALBERT, read_at)
    whole, all_inputs = made(ALBERT, ReadAt.EVERYWHERE)
    expected = whole(all_inputs, training=False)
    for name, value in model(inputs, training=False).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("read_at", READ)
def test_lengths_may_be_unknown_when_traced(read_at):
    model, inputs = made(BERT, read_at)
    signature = {name: tf.TensorSpec([None] * x.shape.rank, x.dtype) for name, x in inputs.items()}
    signature["dropout_seed"] = tf.TensorSpec([2], tf.int32)
    dynamic = tf.function(lambda x: model(x, training=True), input_signature=[signature])
    expected = model(inputs, training=True)
    for name, value in dynamic(inputs).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
