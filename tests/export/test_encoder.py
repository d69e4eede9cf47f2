"""The exported encoder: same numbers, TF Hub's interface, fine-tunable."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from tensorflow.core.protobuf import saved_model_pb2

from mslt_tf.errors import UserError
from mslt_tf.export import encoder
from mslt_tf.modeling import bert, weights
from tests.export import exports
from tests.modeling import small_models

EXPORTS = ("bert_export", "albert_export")


@pytest.fixture(params=EXPORTS)
def export(request):
    return request.getfixturevalue(request.param)


def random_inputs(config, seq_length=16):
    """Returns inputs under TF Hub's names, and the model's own."""
    own = small_models.random_inputs(config, seq=seq_length)
    named = {theirs: own[ours] for theirs, ours in encoder.INPUTS.items()}
    return named | {encoder.POSITIONS: own["masked_lm_positions"]}, own


def without_positions(named):
    return {name: named[name] for name in encoder.INPUTS}


def model_of(trained, *, num_blocks=None):
    """Returns the model, or its lowest blocks."""
    model = bert.build_bert(trained.config, num_blocks=num_blocks or trained.config.num_blocks)
    weights.load(model, trained.weights)
    return model


@pytest.mark.parametrize("seq_length", [16, 21])
def test_it_gives_the_trained_models_outputs(export, seq_length):
    named, own = random_inputs(export.trained.config, seq_length)
    expected = model_of(export.trained)(own)
    loaded = export.load("encoder")
    outputs, mlm_outputs = loaded(without_positions(named)), loaded.mlm(named)
    for found in (outputs, mlm_outputs):
        for name in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    logits = expected["masked_lm_logits"]
    np.testing.assert_allclose(mlm_outputs["mlm_logits"], logits, atol=1e-4)
    np.testing.assert_array_equal(outputs["default"], outputs["pooled_output"])
    assert outputs.keys() - {"default"} == mlm_outputs.keys() - {"mlm_logits"}


def test_each_layers_vectors_are_the_last_ones_of_a_model_that_ends_there(export):
    config = export.trained.config
    named, own = random_inputs(config)
    found = export.load("encoder")(without_positions(named))
    vectors = found["encoder_outputs"]
    assert len(vectors) == config.num_hidden_layers
    np.testing.assert_array_equal(vectors[-1], found["sequence_output"])
    for num_blocks in range(1, config.num_blocks + 1):
        expected = model_of(export.trained, num_blocks=num_blocks)(own)["sequence_output"]
        at = num_blocks * config.layers_per_block - 1
        np.testing.assert_allclose(vectors[at], expected, atol=1e-5)


def test_each_application_of_an_alberts_layer_has_vectors(albert_export):
    named, own = random_inputs(albert_export.trained.config)
    vectors = albert_export.load("encoder")(without_positions(named))["encoder_outputs"]
    assert albert_export.trained.config.layers_per_block == 2
    first_group = model_of(albert_export.trained).get_layer("encoder_0")
    again = first_group(vectors[0], own["input_mask"], own["dropout_seed"], 1)
    np.testing.assert_allclose(vectors[1], again, atol=1e-5)


def test_it_carries_what_tf_hub_asks_for(bert_export):
    loaded = bert_export.load("encoder")
    names = {variable.name for variable in model_of(bert_export.trained).variables}
    of_encoder = {name for name in names if not name.startswith(("masked_lm", "sentence_pair"))}
    assert {variable.name for variable in loaded.variables} == of_encoder
    assert {variable.name for variable in loaded.trainable_variables} == of_encoder
    of_mlm = {name for name in names if not name.startswith(("sentence_pair", "pooler"))}
    assert {variable.name for variable in loaded.mlm.trainable_variables} >= of_mlm
    assert loaded.regularization_losses == []
    assert bool(loaded.do_lower_case)
    assert bool(loaded.strip_accents)
    content = tf.io.gfile.GFile(loaded.vocab_file.asset_path.numpy()).read()
    assert content == "".join(f"{token}\n" for token in exports.VOCABULARY)


def test_it_is_saved_by_the_definitions(bert_export):
    # Served texts have many lengths: XLA would compile each anew. And without gradients of our own
    # it is fine-tuned wherever TensorFlow is.
    content = Path(bert_export.folder, "encoder", "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    functions = saved.meta_graphs[0].graph_def.library.function
    assert functions
    assert not any(function.attr["_XlaMustCompile"].b for function in functions)
    nodes = [node for function in functions for node in function.node_def]
    assert not any("_gradient_op_type" in node.attr for node in nodes)


def test_a_hub_layer_fine_tunes_it_with_dropout(bert_export):
    layer = hub.KerasLayer(str(bert_export.folder / "encoder"), trainable=True)
    named = without_positions(random_inputs(bert_export.trained.config)[0])
    again = [layer(named, training=True)["pooled_output"] for _ in range(2)]
    assert np.any(again[0] != again[1])
    still = [layer(named, training=False)["pooled_output"] for _ in range(2)]
    np.testing.assert_array_equal(*still)


def test_a_model_with_a_weight_that_is_no_number_is_refused():
    trained = exports.trained_model(exports.tiny_bert())
    trained.weights["pooler"]["dense/bias"][0] = np.nan
    with pytest.raises(UserError, match="a weight of pooler/dense/bias is nan"):
        encoder.make(trained, "")
