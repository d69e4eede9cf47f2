"""What is ALBERT's own: narrow embeddings that a matrix widens, and layers that share weights."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.bert import EMBEDDINGS, build_bert
from tests.modeling.small_models import random_inputs, randomize_weights, tiny_albert_config

PROJECTION = {"embeddings/projection/kernel": (12, 32), "embeddings/projection/bias": (32,)}
# The parts of a model that are as wide as the embeddings.
NARROW = {
    "embeddings/word_embeddings": (50, 12),
    "embeddings/position_embeddings": (64, 12),
    "embeddings/segment_embeddings": (2, 12),
    "embeddings/layer_norm/gamma": (12,),
    "embeddings/layer_norm/beta": (12,),
    "masked_lm/transform/kernel": (32, 12),
    "masked_lm/transform/bias": (12,),
    "masked_lm/layer_norm/gamma": (12,),
    "masked_lm/layer_norm/beta": (12,),
}


def test_albert_has_the_names_of_a_bert_as_deep_as_its_groups_and_the_projection():
    albert = _shapes(build_bert(tiny_albert_config(), num_blocks=2))
    bert = tiny_albert_config(embedding_size=0, num_hidden_groups=0, num_hidden_layers=2)
    expected = _shapes(build_bert(bert, num_blocks=2))
    assert NARROW.keys() < expected.keys()
    assert albert == expected | NARROW | PROJECTION


def test_there_is_no_projection_between_equal_widths():
    same = tiny_albert_config(embedding_size=32)
    assert not PROJECTION.keys() & _shapes(build_bert(same, num_blocks=1)).keys()


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_a_group_is_a_layer_applied_several_times_dropout_included(num_blocks):
    shared, unshared, inputs = _shared_and_unshared(num_blocks)
    for training in (False, True):
        expected = unshared(inputs, training=training)
        for name, value in shared(inputs, training=training).items():
            np.testing.assert_array_equal(value, expected[name], name)


def test_the_gradient_of_a_group_is_the_sum_over_its_applications():
    shared, unshared, inputs = _shared_and_unshared(2)
    ours, copies = _gradients(shared, inputs), _gradients(unshared, inputs)
    for name, gradient in ours.items():
        layer, _, rest = name.partition("/")
        expected = copies.get(name)
        if layer.startswith("encoder_"):
            group = int(layer.removeprefix("encoder_"))
            parts = [copies[f"encoder_{2 * group + i}/{rest}"] for i in range(2)]
            expected = parts[0] + parts[1]
            if rest != "attention/key/bias":  # softmax takes it out: no gradient but rounding
                assert min(np.max(np.abs(part)) for part in parts) > 1e-3, name
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_the_projection_widens_what_its_matrix_and_bias_say():
    config = tiny_albert_config()
    embeddings = build_bert(config, num_blocks=1).get_layer(EMBEDDINGS)
    randomize_weights(embeddings)
    inputs = random_inputs(config)
    arguments = (inputs["input_ids"], inputs["segment_ids"], inputs["dropout_seed"])
    kernel, bias = embeddings.projection.kernel.numpy(), embeddings.projection.bias.numpy()
    wide, table = embeddings(*arguments)
    embeddings.projection = None
    narrow, _ = embeddings(*arguments)
    assert (wide.shape, narrow.shape) == ([3, 16, 32], [3, 16, 12])
    np.testing.assert_allclose(wide, narrow.numpy() @ kernel + bias, atol=1e-5)
    np.testing.assert_array_equal(table, embeddings.word_embeddings)


def test_kernels_of_albert_start_different_from_each_other():
    values = _values(build_bert(tiny_albert_config(), num_blocks=2))
    kernels = [v for name, v in values.items() if name.endswith(("kernel", "embeddings"))]
    first_numbers = {value.flat[0] for value in kernels}
    assert len(first_numbers) == len(kernels) == 3 + 1 + 2 * 6 + 3
    assert np.std(values["embeddings/projection/kernel"]) == pytest.approx(0.02 * 0.88, rel=0.1)
    np.testing.assert_array_equal(values["embeddings/projection/bias"], 0)


@pytest.mark.slow
def test_base_has_as_many_parameters_as_albert():
    # On paper, with 30,000 word pieces, embeddings of 128 and 768 / 3,072 in the encoder.
    tables = (30_000 + 512 + 2) * 128 + 2 * 128
    projection = 128 * 768 + 768
    group = 4 * (768 * 768 + 768) + (768 * 3_072 + 3_072) + (3_072 * 768 + 768) + 2 * 2 * 768
    pooler, sentence_pair = 768 * 768 + 768, 768 * 2 + 2
    masked_lm = (768 * 128 + 128) + 2 * 128 + 30_000
    rest = tables + projection + pooler + sentence_pair + masked_lm
    assert (rest, group) == (4_725_938, 7_087_872)
    for num_groups, num_blocks, total in [
        (4, 4, 33_077_426),
        (4, 1, 11_813_810),
        (1, 1, 11_813_810),
    ]:
        assert _count_parameters(num_groups, num_blocks) == total == rest + num_blocks * group


@pytest.mark.parametrize("num_blocks", [3, 4])
def test_more_blocks_than_groups_are_refused(num_blocks):
    with pytest.raises(UserError, match=f"num_blocks is {num_blocks}. Use 1 to 2, the groups"):
        build_bert(tiny_albert_config(), num_blocks=num_blocks)


def _count_parameters(num_groups: int, num_blocks: int) -> int:
    config = ModelConfig(vocab_size=30_000, embedding_size=128, num_hidden_groups=num_groups)
    return build_bert(config, num_blocks=num_blocks).count_params()


def _shared_and_unshared(num_blocks: int):
    """Returns groups of two layers, as many pairs of layers with their weights, and inputs."""
    config = tiny_albert_config()
    shared = build_bert(config, num_blocks=num_blocks)
    randomize_weights(shared)
    values = _values(shared)
    unshared = build_bert(tiny_albert_config(num_hidden_groups=0), num_blocks=2 * num_blocks)
    for variable in unshared.variables:
        layer, _, rest = variable.name.removesuffix(":0").partition("/")
        if layer.startswith("encoder_"):
            layer = f"encoder_{int(layer.removeprefix('encoder_')) // 2}"
        variable.assign(values[f"{layer}/{rest}"])
    return shared, unshared, random_inputs(config)


def _gradients(model, inputs) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = tf.reduce_mean(tf.sin(outputs["masked_lm_logits"]))
        loss += tf.reduce_mean(tf.square(outputs["sequence_output"]) * 0.5)
        loss += tf.reduce_mean(outputs["sentence_pair_logits"][:, 0])
    gradients = tape.gradient(loss, model.trainable_variables)
    names = [variable.name.removesuffix(":0") for variable in model.trainable_variables]
    return {n: tf.convert_to_tensor(g).numpy() for n, g in zip(names, gradients, strict=True)}


def _shapes(model) -> dict[str, tuple[int, ...]]:
    return {v.name.removesuffix(":0"): tuple(v.shape) for v in model.variables}


def _values(model) -> dict[str, np.ndarray]:
    return {v.name.removesuffix(":0"): v.numpy() for v in model.variables}
