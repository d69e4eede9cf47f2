"""The exported encoder: same numbers, TF Hub's interface, fine-tunable."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from tensorflow.core.protobuf import saved_model_pb2

from mslt_tf.export import encoder
from mslt_tf.modeling import weights
from mslt_tf.pretraining import stage_model
from tests import tiny


@pytest.fixture(scope="module")
def model():
    config = tiny.config(method="original", initializer_range=0.5)
    return stage_model.build(config, config.plan.stages[0])


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    vocab_file = folder / "vocab.txt"
    vocab_file.write_text("\n".join(f"token{i}" for i in range(tiny.VOCAB_SIZE)))
    config = tiny.config(method="original", vocab_file=vocab_file)
    encoder.export(config, weights.weights_of(model), str(folder / "encoder"))
    return str(folder / "encoder")


def inputs(seq_length=7):
    rng = np.random.default_rng(0)
    ids = rng.integers(1, tiny.VOCAB_SIZE, [3, seq_length])
    mask = np.arange(seq_length) < np.array([[seq_length], [4], [2]])
    types = np.arange(seq_length) >= 2
    arrays = {
        "input_word_ids": ids * mask,
        "input_mask": mask,
        "input_type_ids": types & mask,
    }
    return {name: tf.constant(array, tf.int32) for name, array in arrays.items()}


def outputs_of(model, named):
    return model(
        {
            "input_ids": named["input_word_ids"],
            "input_mask": named["input_mask"],
            "segment_ids": named["input_type_ids"],
            "masked_lm_positions": tf.zeros([3, 1], tf.int32),
            "dropout_seed": tf.zeros([2], tf.int32),
        }
    )


@pytest.mark.parametrize("seq_length", [5, 16])
def test_it_gives_the_trained_models_outputs(model, path, seq_length):
    named = inputs(seq_length)
    expected = outputs_of(model, named)
    loaded = tf.saved_model.load(path)
    for found in (loaded(named), loaded.signatures["serving_default"](**named)):
        for name in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
        np.testing.assert_array_equal(found["default"], found["pooled_output"])


def test_it_carries_what_tf_hub_asks_for(model, path):
    loaded = tf.saved_model.load(path)
    own = [v for v in model.variables if not v.name.startswith(("masked_lm", "sentence_pair"))]
    assert len(loaded.variables) == len(loaded.trainable_variables) == len(own)
    assert loaded.regularization_losses == []
    assert bool(loaded.do_lower_case)
    assert bool(loaded.strip_accents)
    vocabulary = tf.io.gfile.GFile(loaded.vocab_file.asset_path.numpy()).read().split()
    assert vocabulary[:2] == ["token0", "token1"]


def test_it_is_saved_by_the_definitions(path):
    # Served texts have many lengths: XLA would compile each anew. And without gradients of our own
    # it is fine-tuned wherever TensorFlow is.
    content = Path(path, "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    functions = saved.meta_graphs[0].graph_def.library.function
    assert functions
    assert not any(function.attr["_XlaMustCompile"].b for function in functions)
    nodes = [node for function in functions for node in function.node_def]
    assert not any("_gradient_op_type" in node.attr for node in nodes)


def test_a_hub_layer_fine_tunes_it_with_dropout(path):
    layer = hub.KerasLayer(path, trainable=True)
    named = inputs()
    again = [layer(named, training=True)["pooled_output"] for _ in range(2)]
    assert np.any(again[0] != again[1])
    still = [layer(named, training=False)["pooled_output"] for _ in range(2)]
    np.testing.assert_array_equal(*still)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(named, training=True)["pooled_output"] ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == len(layer.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_an_unfinished_export_does_not_count(path, tmp_path):
    assert encoder.exists(path)
    (tmp_path / ".encoder.partial_of_mslt_tf").mkdir()
    assert not encoder.exists(str(tmp_path / "encoder"))
