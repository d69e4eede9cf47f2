"""The whole model: names, freezing, initial weights, types, lengths, export.

What ALBERT shares with BERT is tested on both; what is its own is in test_albert.py.
"""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.bert import EMBEDDINGS, MASKED_LM, block_name, build_bert
from tests.modeling.small_models import (
    random_inputs,
    randomize_weights,
    tiny_albert_config,
    tiny_config,
)

on_both = pytest.mark.parametrize(
    "config", [tiny_config(), tiny_albert_config()], ids=["bert", "albert"]
)

EMBEDDING_VARIABLES = [
    "embeddings/word_embeddings",
    "embeddings/position_embeddings",
    "embeddings/segment_embeddings",
    "embeddings/layer_norm/gamma",
    "embeddings/layer_norm/beta",
]
ENCODER_1_VARIABLES = [
    "encoder_1/attention/query/kernel",
    "encoder_1/attention/query/bias",
    "encoder_1/attention/key/kernel",
    "encoder_1/attention/key/bias",
    "encoder_1/attention/value/kernel",
    "encoder_1/attention/value/bias",
    "encoder_1/attention/output/kernel",
    "encoder_1/attention/output/bias",
    "encoder_1/attention_layer_norm/gamma",
    "encoder_1/attention_layer_norm/beta",
    "encoder_1/intermediate/kernel",
    "encoder_1/intermediate/bias",
    "encoder_1/output/kernel",
    "encoder_1/output/bias",
    "encoder_1/output_layer_norm/gamma",
    "encoder_1/output_layer_norm/beta",
]
HEAD_VARIABLES = [
    "pooler/dense/kernel",
    "pooler/dense/bias",
    "masked_lm/transform/kernel",
    "masked_lm/transform/bias",
    "masked_lm/layer_norm/gamma",
    "masked_lm/layer_norm/beta",
    "masked_lm/output_bias",
    "sentence_pair/dense/kernel",
    "sentence_pair/dense/bias",
]


def test_variables_carry_these_names():
    encoder_0 = [name.replace("encoder_1", "encoder_0") for name in ENCODER_1_VARIABLES]
    expected = EMBEDDING_VARIABLES + encoder_0 + ENCODER_1_VARIABLES + HEAD_VARIABLES
    names = _names(build_bert(tiny_config(), num_blocks=2).variables)
    assert sorted(names) == sorted(expected)


def test_frozen_embeddings_and_trunk_leave_the_top_block_and_the_heads():
    model = build_bert(tiny_config(), num_blocks=2)
    model.get_layer(EMBEDDINGS).trainable = False
    model.get_layer(block_name(0)).trainable = False
    names = _names(model.trainable_variables)
    assert sorted(names) == sorted(ENCODER_1_VARIABLES + HEAD_VARIABLES)


def test_thawing_the_masked_lm_head_does_not_thaw_the_table():
    model = build_bert(tiny_config(), num_blocks=1)
    model.trainable = False
    model.get_layer(MASKED_LM).trainable = True
    model.trainable = True
    model.get_layer(EMBEDDINGS).trainable = False
    model.get_layer(MASKED_LM).trainable = True
    assert not set(_names(model.trainable_variables)) & set(EMBEDDING_VARIABLES)
    masked_lm_names = [name for name in HEAD_VARIABLES if name.startswith("masked_lm")]
    assert sorted(_names(model.get_layer(MASKED_LM).variables)) == sorted(masked_lm_names)


@on_both
def test_decoder_is_tied_to_the_word_embeddings(config):
    model = build_bert(config, num_blocks=1)
    inputs = random_inputs(config)
    absent = config.vocab_size - 1  # a word piece that no input holds
    inputs["input_ids"] = inputs["input_ids"] % absent
    before = model(inputs)["masked_lm_logits"]
    table = model.get_layer(EMBEDDINGS).word_embeddings
    table.scatter_nd_update([[absent]], tf.zeros([1, config.embedding_width]))
    after = model(inputs)["masked_lm_logits"]
    assert np.all(before[..., absent] != 0)
    np.testing.assert_array_equal(after[..., absent], 0)
    np.testing.assert_array_equal(after[..., :absent], before[..., :absent])


@on_both
def test_gradients_reach_every_variable(config):
    model = build_bert(config, num_blocks=2)
    with tf.GradientTape() as tape:
        outputs = model(random_inputs(config), training=True)
        loss = tf.reduce_sum(outputs["masked_lm_logits"] ** 2)
        loss += tf.reduce_sum(outputs["sentence_pair_logits"][:, 0])
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.any(tf.convert_to_tensor(gradient) != 0), variable.name


@on_both
def test_initial_weights_do_not_depend_on_the_depth(config):
    shallow = _values(build_bert(config, num_blocks=1))
    deep = _values(build_bert(config, num_blocks=2))
    for name, value in shallow.items():
        np.testing.assert_array_equal(value, deep[name])


def test_initial_weights_repeat_by_seed():
    first, again, other = (
        _values(build_bert(tiny_config(), num_blocks=2, initializer_seed=seed))
        for seed in (0, 0, 1)
    )
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
        if name.endswith(("kernel", "embeddings")):
            assert np.all(value != other[name]), name


def test_initial_weights_are_different_in_every_kernel():
    values = _values(build_bert(tiny_config(), num_blocks=2))
    first_numbers = [
        v.flat[0] for name, v in values.items() if name.endswith(("kernel", "embeddings"))
    ]
    assert len(set(first_numbers)) == len(first_numbers) == 3 + 2 * 6 + 3


def test_initial_weights_have_the_range_of_the_config():
    config = tiny_config(vocab_size=2_000, initializer_range=0.05)
    table = _values(build_bert(config, num_blocks=1))["embeddings/word_embeddings"]
    assert np.max(np.abs(table)) <= 0.1  # cut at two standard deviations
    # A normal distribution cut there keeps 0.8796 of its standard deviation.
    assert np.std(table) == pytest.approx(0.05 * 0.8796, rel=0.02)


@pytest.mark.slow
def test_base_has_as_many_parameters_as_bert():
    def built(num_blocks: int) -> int:
        return build_bert(ModelConfig(), num_blocks=num_blocks).count_params()

    assert built(12) == 110_106_428
    assert built(1) == 110_106_428 - 11 * 7_087_872


@on_both
@pytest.mark.parametrize(
    ("compute_dtype", "tolerance"), [("mixed_bfloat16", 0.06), ("mixed_float16", 0.01)]
)
def test_short_types_stay_near_float32(config, compute_dtype, tolerance):
    outputs = []
    for dtype in ("float32", compute_dtype):
        model = build_bert(config, num_blocks=2, compute_dtype=dtype)
        randomize_weights(model)
        outputs.append(model(random_inputs(config), training=False))
    exact, rounded = outputs
    assert rounded["sequence_output"].dtype == compute_dtype.removeprefix("mixed_")
    for name in exact:
        if name.endswith("logits"):
            assert rounded[name].dtype == tf.float32
        difference = np.abs(tf.cast(rounded[name], tf.float32) - exact[name])
        assert 0 < np.max(difference) < tolerance * np.max(np.abs(exact[name])), name


@on_both
def test_variables_are_float32_under_every_policy(config):
    model = build_bert(config, num_blocks=1, compute_dtype="mixed_bfloat16")
    assert {variable.dtype for variable in model.variables} == {tf.float32}


def test_one_model_runs_at_length_128_and_then_at_512():
    config = tiny_config(max_position_embeddings=512)
    model = build_bert(config, num_blocks=1)
    for seq in (128, 512):
        outputs = model(random_inputs(config, seq=seq), training=True)
        assert outputs["sequence_output"].shape == [3, seq, config.hidden_size]


@on_both
def test_a_trace_keeps_static_shapes(config):
    model = build_bert(config, num_blocks=1)
    traced = tf.function(lambda features: model(features, training=True))
    shapes = traced.get_concrete_function(random_inputs(config)).structured_outputs
    assert shapes["masked_lm_logits"].shape == [3, 5, config.vocab_size]
    assert shapes["sequence_output"].shape == [3, 16, config.hidden_size]


@on_both
def test_dynamic_lengths_give_the_same_outputs(config):
    model = build_bert(config, num_blocks=2)
    inputs = random_inputs(config)
    signature = {name: tf.TensorSpec([None] * x.shape.rank, tf.int32) for name, x in inputs.items()}
    signature["dropout_seed"] = tf.TensorSpec([2], tf.int32)
    dynamic = tf.function(lambda x: model(x, training=True), input_signature=[signature])
    expected = model(inputs, training=True)
    for name, value in dynamic(inputs).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)


@pytest.mark.slow  # tests/export has those that are written
@on_both
def test_a_saved_model_gives_the_same_outputs_and_can_be_trained(config, tmp_path):
    model = build_bert(config, num_blocks=2)
    randomize_weights(model)
    inputs = random_inputs(config)
    exported = tf.Module()
    exported.parts = model.variables
    exported.encode = tf.function(lambda x: model(x, training=True)["sequence_output"])
    exported.encode.get_concrete_function(inputs)
    tf.saved_model.save(exported, str(tmp_path))

    loaded = tf.saved_model.load(str(tmp_path))

    expected = model(inputs, training=True)["sequence_output"]
    np.testing.assert_allclose(loaded.encode(inputs), expected, atol=1e-5)
    by_name = {v.name: v for v in loaded.parts}
    ours = _squared_sum_gradients(
        lambda x: model(x, training=True)["sequence_output"],
        inputs,
        {v.name: v for v in model.variables},
    )
    theirs = _squared_sum_gradients(loaded.encode, inputs, by_name)
    assert np.any(ours["encoder_0/intermediate/kernel:0"] != 0)
    for name, gradient in ours.items():
        np.testing.assert_allclose(theirs[name], gradient, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("num_blocks", [0, 3])
def test_a_wrong_number_of_blocks_is_refused(num_blocks):
    with pytest.raises(UserError, match=f"num_blocks is {num_blocks}. Use 1 to 2"):
        build_bert(tiny_config(), num_blocks=num_blocks)


def _squared_sum_gradients(encode, inputs, variables):
    chosen = {n: v for n, v in variables.items() if n.startswith(("encoder_", "embeddings/layer"))}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encode(inputs)[:, ::2] ** 2)
    return tape.gradient(loss, chosen)


def _names(variables) -> list[str]:
    return [variable.name.removesuffix(":0") for variable in variables]


def _values(model) -> dict[str, np.ndarray]:
    return dict(zip(_names(model.variables), model.get_weights(), strict=True))
