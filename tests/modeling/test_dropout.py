"""Dropout: its statistics, and that it is a function of the seed and the place alone."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.modeling import layers
from mslt_tf.modeling.bert import EMBEDDINGS, block_name, build_bert
from mslt_tf.modeling.dropout import (
    EMBEDDINGS_SITE,
    Place,
    drop,
    encoder_site,
    make_key,
    random_words,
    row_numbers,
)
from mslt_tf.modeling.forms import Forms
from tests.modeling.small_models import (
    random_inputs,
    randomize_weights,
    tiny_albert_config,
    tiny_config,
)

SEED = np.array([5, 6])
LAYERS = (EMBEDDINGS, block_name(0), block_name(1))
DYNAMIC = [tf.TensorSpec([None] * rank) for rank in range(4)]
WORDS = tf.TensorSpec([4], tf.uint32)


def test_words_are_the_published_ones_of_philox():
    # The known answers of Random123's Philox4x32-10: key, counter, block.
    zeros = ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]
    for seed, site, expected in (([0, 0], 0, zeros), ([-1, -1], -1, ones)):
        words = make_key(tf.constant(seed, tf.int64), site, 0.1).words
        assert [f"{word:08x}" for word in words.numpy()] == expected


def test_rate_and_mean_are_kept():
    # 2.5 million units: the standard error of both figures is under 0.0003.
    y = drop(tf.ones([50, 50_000]), make_key(SEED, 3, 0.1)).numpy()
    assert np.mean(y == 0) == pytest.approx(0.1, abs=1e-3)
    assert np.mean(y) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(y[y != 0], 1 / 0.9, rtol=1e-4)


def test_the_mean_is_kept_in_short_types_too():
    y = drop(tf.fill([200, 5_000], tf.constant(3.0, tf.bfloat16)), make_key(SEED, 3, 0.1))
    assert np.mean(tf.cast(y, tf.float64)) == pytest.approx(3.0, rel=2e-3)
    # The nearest to 3 / 0.9 that bfloat16 has.
    assert set(np.unique(tf.cast(y, tf.float32))) == {0.0, 3.328125}


@pytest.mark.parametrize("shape", [[7], [4, 5], [3, 4, 6]])
def test_every_shape_gets_as_many_words(shape):
    words = make_key(SEED, 1, 0.1).words
    static = random_words(tf.zeros(shape), words)
    dynamic = tf.function(random_words, input_signature=[DYNAMIC[len(shape)], WORDS])
    assert static.shape == shape
    np.testing.assert_array_equal(static, dynamic(tf.zeros(shape), words))
    assert len(np.unique(static)) == np.prod(shape)


def test_rows_alone_get_the_words_that_they_have_among_all():
    words = make_key(SEED, 1, 0.1).words
    positions = np.array([[0, 4, 4], [3, 0, 2]], np.int32)
    whole = random_words(tf.zeros([2, 3, 5, 7]), words).numpy()  # [batch, heads, seq, units]
    rows = row_numbers(tf.constant(positions), 5, heads=3)
    alone = random_words(tf.zeros([2, 3, 3, 7]), words, rows)
    expected = np.stack([whole[i][:, positions[i]] for i in range(2)])
    np.testing.assert_array_equal(alone, expected)


def test_words_are_uniform_in_each_bit_and_neighbours_are_independent():
    words = random_words(tf.zeros([1_000_000]), make_key(SEED, 1, 0.1).words).numpy()
    bits = (words[:, np.newaxis] >> np.arange(32, dtype=np.uint32)) & 1
    np.testing.assert_allclose(np.mean(bits, axis=0), 0.5, atol=2.5e-3)  # 5 deviations
    numbers = words / 2**32
    assert np.mean(numbers) == pytest.approx(1 / 2, abs=2e-3)
    assert np.var(numbers) == pytest.approx(1 / 12, abs=1e-3)
    for distance in (1, 2, 3, 7, 64, 768, 3_072, 65_536):
        assert abs(np.corrcoef(numbers[distance:], numbers[:-distance])[0, 1]) < 0.006


def test_dropped_units_of_rows_columns_and_blocks_vary_as_independent_ones_do():
    dropped = _mask(SEED, site=3, rate=0.1, shape=[1_000, 1_000]).astype(np.float64)
    blocks = dropped.reshape(100, 10, 100, 10).sum(axis=(1, 3))
    for sums, size in ((dropped.sum(0), 1_000), (dropped.sum(1), 1_000), (blocks.ravel(), 100)):
        # The variance of n sums is known to sqrt(2 / n).
        allowed = 5 * np.sqrt(2 / len(sums))
        assert np.var(sums) / (size * 0.1 * 0.9) == pytest.approx(1, abs=allowed)


def test_sites_are_all_different():
    sites = [encoder_site(i, place) for i, place in itertools.product(range(48), Place)]
    assert len({EMBEDDINGS_SITE, *sites}) == 1 + 48 * len(Place)


def test_same_seed_and_site_drop_the_same_units():
    first, second = (_mask(SEED, site=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_each_seed_and_each_site_drops_other_units():
    seeds = [tf.constant(seed) for seed in ([5, 6], [5, 7], [6, 6], [6, 5])]
    masks = [_mask(seed, site) for seed in seeds for site in range(4)]
    for a, b in itertools.combinations(masks, 2):
        # Independent masks of rate 1/2 agree in half of the 10,000 units, within 5 deviations.
        assert np.mean(a == b) == pytest.approx(0.5, abs=0.025)


def test_rate_zero_returns_the_input_itself():
    x = tf.ones([2, 2])
    assert make_key(SEED, 0, 0.0) is None
    assert drop(x, None) is x


@pytest.mark.parametrize("forms", Forms)
def test_gradient_flows_through_kept_units_only(forms):
    x = tf.ones([20, 20])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = drop(x, make_key(SEED, 2, 0.3), forms)
    np.testing.assert_array_equal(tape.gradient(y, x), y)  # y is the mask times the scale


def test_model_repeats_itself_with_the_same_seed_only():
    model, inputs = _model_and_inputs()
    other_seed = inputs | {"dropout_seed": tf.constant([11, 13])}
    first = _logits(model, inputs, training=True)
    np.testing.assert_array_equal(first, _logits(model, inputs, training=True))
    assert np.max(np.abs(first - _logits(model, other_seed, training=True))) > 0.01


def test_compiled_and_eager_calls_drop_the_same_units():
    model, inputs = _model_and_inputs()
    compiled = tf.function(lambda features: model(features, training=True))
    eager_logits = _logits(model, inputs, training=True)
    np.testing.assert_allclose(compiled(inputs)["masked_lm_logits"], eager_logits, atol=1e-5)


def test_inference_ignores_the_seed():
    model, inputs = _model_and_inputs()
    other_seed = inputs | {"dropout_seed": tf.constant([0, 0])}
    logits = _logits(model, inputs, training=False)
    np.testing.assert_array_equal(logits, _logits(model, other_seed, training=False))
    assert np.max(np.abs(logits - _logits(model, inputs, training=True))) > 0.01


def test_without_dropout_in_all_layers_training_has_the_inference_output():
    model, inputs = _model_and_inputs(without_dropout=LAYERS)
    trained = _logits(model, inputs, training=True)
    np.testing.assert_array_equal(trained, _logits(model, inputs, training=False))


@pytest.mark.parametrize("left_on", LAYERS)
def test_each_layer_is_told_of_its_own(left_on):
    model, inputs = _model_and_inputs(without_dropout={*LAYERS} - {left_on})
    trained = _logits(model, inputs, training=True)
    assert np.max(np.abs(trained - _logits(model, inputs, training=False))) > 0.01


def test_equal_layers_at_different_heights_drop_different_units():
    model, inputs = _model_and_inputs()
    lower, upper = model.get_layer(block_name(0)), model.get_layer(block_name(1))
    upper.set_weights(lower.get_weights())
    x = tf.random.stateless_normal([3, 16, 32], seed=[1, 2])
    mask, seed = inputs["input_mask"], inputs["dropout_seed"]
    plain = [layer(x, mask, seed, i, training=False) for i, layer in enumerate((lower, upper))]
    dropped = [layer(x, mask, seed, i, training=True) for i, layer in enumerate((lower, upper))]
    np.testing.assert_array_equal(*plain)
    assert np.mean(np.abs(dropped[0] - dropped[1])) > 0.01


def test_one_groups_layers_drop_different_units():
    config = tiny_albert_config()
    block = build_bert(config, num_blocks=1).get_layer(block_name(0))
    randomize_weights(block)
    x = tf.random.stateless_normal([3, 16, 32], seed=[1, 2])
    inputs = random_inputs(config)
    mask, seed = inputs["input_mask"], inputs["dropout_seed"]
    first, second, again = (block(x, mask, seed, i, training=True) for i in (0, 1, 0))
    assert np.mean(np.abs(first - second)) > 0.01
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_every_application_of_a_group_in_the_model_has_sites_of_its_own(groups, monkeypatch):
    config = tiny_albert_config(num_hidden_groups=groups)
    model = build_bert(config, num_blocks=groups)
    sites = []

    def recording(seed, site, *others):
        sites.append(site)
        return make_key(seed, site, *others)

    monkeypatch.setattr(layers, "make_key", recording)
    model(random_inputs(config), training=True)
    depths = range(config.num_hidden_layers)
    expected = [encoder_site(i, place) for i, place in itertools.product(depths, Place)]
    assert sites == [EMBEDDINGS_SITE, *expected]


def _mask(
    seed: tf.Tensor, site: int, *, rate: float = 0.5, shape: Sequence[int] = (100, 100)
) -> np.ndarray:
    return drop(tf.ones(shape), make_key(seed, site, rate)).numpy() == 0


def _model_and_inputs(**options):
    config = tiny_config()
    model = build_bert(config, num_blocks=2, **options)
    randomize_weights(model)
    return model, random_inputs(config)


def _logits(model, inputs, *, training: bool) -> np.ndarray:
    return model(inputs, training=training)["masked_lm_logits"].numpy()
