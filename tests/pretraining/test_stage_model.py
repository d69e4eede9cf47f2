"""Growth and freezing, with a different number in every weight."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.modeling import bert, weights
from mslt_tf.pretraining import stage_model
from tests import tiny

FOUR_GROUPS = {"embedding_size": 6, "num_hidden_layers": 8, "num_hidden_groups": 4}
MSLT, STACKING = tiny.config(), tiny.config(method="stacking")
ALBERT, ALBERT_STACKING = (
    tiny.config(**FOUR_GROUPS, method=method) for method in ("mslt", "stacking")
)
HEADS = ["masked_lm", "pooler", "sentence_pair"]
PROJECTION = {"embeddings/projection/kernel:0", "embeddings/projection/bias:0"}


def fingerprinted(model, start):
    """Gives every element of every weight a number of its own, from `start` on."""
    for variable in model.variables:
        size = variable.shape.num_elements()
        variable.assign(np.arange(start, start + size, dtype=np.float32).reshape(variable.shape))
        start += size
    return start


def trainable_layers(model):
    return sorted({variable.name.split("/")[0] for variable in model.trainable_variables})


@pytest.mark.parametrize("config", [MSLT, ALBERT], ids=["bert", "albert"])
@pytest.mark.parametrize(
    ("stage", "layers"),
    [
        (0, ["embeddings", "encoder_0", *HEADS]),
        (1, ["encoder_1", *HEADS]),
        (2, ["encoder_2", *HEADS]),
        (3, ["encoder_3", *HEADS]),
        (4, ["embeddings", "encoder_0", "encoder_1", "encoder_2", "encoder_3", *HEADS]),
    ],
)
def test_what_trains_in_each_stage_of_mslt(config, stage, layers):
    model = stage_model.build(config, config.plan.stages[stage])
    assert trainable_layers(model) == layers
    all_layers = {variable.name.split("/")[0] for variable in model.variables}
    assert set(stage_model.frozen_layers(config.plan.stages[stage])) == all_layers - set(layers)


def test_the_projection_of_albert_trains_with_the_embeddings():
    trains = []
    for stage in ALBERT.plan.stages:
        model = stage_model.build(ALBERT, stage)
        assert {variable.name for variable in model.variables} >= PROJECTION
        trains.append({variable.name for variable in model.trainable_variables} & PROJECTION)
    assert trains == [PROJECTION, set(), set(), set(), PROJECTION]


@pytest.mark.parametrize("config", [STACKING, ALBERT_STACKING], ids=["bert", "albert"])
def test_everything_trains_in_each_stage_of_stacking(config):
    for stage in config.plan.stages:
        model = stage_model.build(config, stage)
        assert len(model.trainable_variables) == len(model.variables)


def test_a_grown_albert_applies_each_of_its_groups_twice():
    depths = []
    for stage in ALBERT.plan.stages:
        model = stage_model.build(ALBERT, stage)
        blocks = model_blocks(stage.num_blocks)[1:]
        depths.append([len(model.get_layer(name).inbound_nodes) for name in blocks])
    assert depths == [[2], [2] * 2, [2] * 3, [2] * 4, [2] * 4]


@pytest.mark.parametrize(
    "config",
    [MSLT, STACKING, ALBERT, ALBERT_STACKING],
    ids=["mslt", "stacking", "albert_mslt", "albert_stacking"],
)
def test_every_weight_of_a_grown_model_is_its_sources(config):
    before, number = None, 1
    for stage in config.plan.stages:
        model = stage_model.build(config, stage)
        if before is not None:
            stage_model.grow(model, before, stage)
            expected = {name: before[name] for name in ("embeddings", *HEADS)}
            for block, source in enumerate(stage.block_sources):
                expected[f"encoder_{block}"] = before[f"encoder_{source}"]
            grown = weights.weights_of(model)
            assert grown.keys() == expected.keys()
            for layer, values in expected.items():
                assert grown[layer].keys() == values.keys()
                for name, value in values.items():
                    np.testing.assert_array_equal(grown[layer][name], value, f"{layer}/{name}")
        number = fingerprinted(model, number)
        before = weights.weights_of(model)


def test_a_fresh_stage_keeps_its_initial_weights_and_they_come_from_the_seed():
    stage = MSLT.plan.stages[0]
    first, again = (weights.weights_of(stage_model.build(MSLT, stage)) for _ in range(2))
    other = weights.weights_of(stage_model.build(tiny.config(seed=1), stage))
    kernel = ("encoder_0", "attention/query/kernel")
    np.testing.assert_array_equal(first[kernel[0]][kernel[1]], again[kernel[0]][kernel[1]])
    assert np.all(first[kernel[0]][kernel[1]] != other[kernel[0]][kernel[1]])


def test_only_the_frozen_trunk_loses_its_dropout():
    config = tiny.config(trunk_dropout="false")
    assert layers_with_dropout(config, config.plan.stages[2]) == ["encoder_2"]
    assert layers_with_dropout(MSLT, MSLT.plan.stages[2]) == model_blocks(3)


def layers_with_dropout(config, stage):
    """Returns the names of those whose output in training depends on the seed."""
    model = stage_model.build(config, stage)
    ids = tf.ones([2, 4], tf.int32)
    x = tf.random.stateless_normal([2, 4, config.model.hidden_size], seed=[1, 2])

    def output(name, seed):
        layer = model.get_layer(name)
        if name == bert.EMBEDDINGS:
            return layer(ids, ids, seed, training=True)[0]
        return layer(x, ids, seed, 0, training=True)

    seeds = tf.constant([[1, 2], [1, 3]], tf.int64)
    return [
        name
        for name in model_blocks(stage.num_blocks)
        if np.any(output(name, seeds[0]) != output(name, seeds[1]))
    ]


def model_blocks(depth):
    return [bert.EMBEDDINGS, *(bert.block_name(index) for index in range(depth))]


def test_weights_with_other_names_are_refused():
    model = stage_model.build(MSLT, MSLT.plan.stages[0])
    values = weights.weights_of(model)["pooler"]
    with pytest.raises(ValueError, match="pooler has"):
        weights.assign(model.get_layer("pooler"), {**values, "extra": np.zeros(1)})


def test_initial_weights_of_another_depth_are_refused():
    found = weights.weights_of(stage_model.build(MSLT, MSLT.plan.stages[0]))
    stage_model.check_depth(found, MSLT.plan.stages[0], path="p")
    with pytest.raises(UserError, match=r"has 1 blocks .* stage layers_2 begins with 2"):
        stage_model.check_depth(found, MSLT.plan.stages[1], path="p")


def test_the_trunk_may_compute_in_a_type_of_its_own():
    config = tiny.config(trunk_precision="bfloat16", hidden_dropout_prob=0)
    stage = config.plan.stages[2]
    model = stage_model.build(config, stage)
    frozen = stage_model.frozen_layers(stage)
    assert {model.get_layer(name).compute_dtype for name in frozen} == {"bfloat16"}
    others = [layer for layer in model.layers if layer.variables and layer.name not in frozen]
    assert {layer.compute_dtype for layer in others} == {"float32"}
    assert {variable.dtype for variable in model.variables} == {tf.float32}
    inputs = {name: tf.ones([2, 4], tf.int32) for name in model.input if name != "dropout_seed"}
    inputs["dropout_seed"] = tf.zeros([2], tf.int64)
    plain = stage_model.build(tiny.config(hidden_dropout_prob=0), stage)
    found, expected = (m(inputs)["masked_lm_logits"] for m in (model, plain))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.any(found != expected)
