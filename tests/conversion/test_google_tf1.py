"""Checkpoints for Google's TF1 code: names and shapes, and the logits of their own code."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import google_tf1
from mslt_tf.errors import UserError
from mslt_tf.files import published_folder, removal
from tests import tiny
from tests.conversion.trained_models import outputs, trained_model
from tests.modeling.small_models import random_inputs, tiny_albert_config, tiny_config
from tests.saved_weights import assert_bit_identical

V, P, H, INNER, E = 50, 64, 32, 48, 12  # sizes of the tiny configs
PREFIX = {"bert": "bert_model.ckpt", "albert": "model.ckpt-best"}
CONFIG = {"bert": tiny_config, "albert": tiny_albert_config}
# Folders with modeling.py and run_pretraining.py of google-research/bert and /albert.
CODE = {"bert": "GOOGLE_BERT_CODE", "albert": "GOOGLE_ALBERT_CODE"}


def dense(name, rows, columns):
    return {f"{name}/kernel": [rows, columns], f"{name}/bias": [columns]}


def layer_norm(name, size):
    return {f"{name}/gamma": [size], f"{name}/beta": [size]}


def embeddings(width):
    return {
        "bert/embeddings/word_embeddings": [V, width],
        "bert/embeddings/token_type_embeddings": [2, width],
        "bert/embeddings/position_embeddings": [P, width],
        **layer_norm("bert/embeddings/LayerNorm", width),
    }


def heads(width):
    return {
        **dense("bert/pooler/dense", H, H),
        **dense("cls/predictions/transform/dense", H, width),
        **layer_norm("cls/predictions/transform/LayerNorm", width),
        "cls/predictions/output_bias": [V],
        "cls/seq_relationship/output_weights": [2, H],
        "cls/seq_relationship/output_bias": [2],
    }


def bert_layer(name):
    return {
        **dense(f"{name}/attention/self/query", H, H),
        **dense(f"{name}/attention/self/key", H, H),
        **dense(f"{name}/attention/self/value", H, H),
        **dense(f"{name}/attention/output/dense", H, H),
        **layer_norm(f"{name}/attention/output/LayerNorm", H),
        **dense(f"{name}/intermediate/dense", H, INNER),
        **dense(f"{name}/output/dense", INNER, H),
        **layer_norm(f"{name}/output/LayerNorm", H),
    }


def albert_group(name):
    return {
        **dense(f"{name}/attention_1/self/query", H, H),
        **dense(f"{name}/attention_1/self/key", H, H),
        **dense(f"{name}/attention_1/self/value", H, H),
        **dense(f"{name}/attention_1/output/dense", H, H),
        **layer_norm(f"{name}/LayerNorm", H),
        **dense(f"{name}/ffn_1/intermediate/dense", H, INNER),
        **dense(f"{name}/ffn_1/intermediate/output/dense", INNER, H),
        **layer_norm(f"{name}/LayerNorm_1", H),
    }


EXPECTED = {
    "bert": {
        **embeddings(H),
        **bert_layer("bert/encoder/layer_0"),
        **bert_layer("bert/encoder/layer_1"),
        **heads(H),
    },
    "albert": {
        **embeddings(E),
        **dense("bert/encoder/embedding_hidden_mapping_in", E, H),
        **albert_group("bert/encoder/transformer/group_0/inner_group_0"),
        **albert_group("bert/encoder/transformer/group_1/inner_group_0"),
        **heads(E),
    },
}


@pytest.fixture(scope="module", params=["bert", "albert"])
def written(request, tmp_path_factory):
    """A model, and where it was written; not to be changed."""
    model = trained_model(CONFIG[request.param](), vocabulary=tuple(tiny.vocabulary()))
    folder = tmp_path_factory.mktemp(request.param) / "export"
    google_tf1.write(model, str(folder))
    return request.param, model, folder


def test_the_files_have_the_names_that_their_code_expects(written):
    family, _, folder = written
    prefix = PREFIX[family]
    expected = [f"{prefix}.data-00000-of-00001", f"{prefix}.index", f"{family}_config.json"]
    found = sorted(path.name for path in folder.iterdir())
    assert found == sorted([*expected, "vocab.txt"])
    assert all(map(google_tf1.owns, found))


def test_every_tensor_has_the_name_and_shape_of_their_code(written):
    family, _, folder = written
    reader = tf.train.load_checkpoint(str(folder / PREFIX[family]))
    assert reader.get_variable_to_shape_map() == EXPECTED[family]
    assert set(reader.get_variable_to_dtype_map().values()) == {tf.float32}


def test_only_the_matrix_of_the_sentence_head_lies_transposed(written):
    family, model, folder = written
    reader = tf.train.load_checkpoint(str(folder / PREFIX[family]))
    kernel = model.weights["sentence_pair"]["dense/kernel"]
    np.testing.assert_array_equal(
        reader.get_tensor("cls/seq_relationship/output_weights"), kernel.T
    )
    layer = {
        "bert": "bert/encoder/layer_1/attention/self",
        "albert": "bert/encoder/transformer/group_1/inner_group_0/attention_1/self",
    }[family]
    for name in ("query", "key", "value"):  # square: the shape would not tell
        np.testing.assert_array_equal(
            reader.get_tensor(f"{layer}/{name}/kernel"),
            model.weights["encoder_1"][f"attention/{name}/kernel"],
        )


def test_what_is_written_is_read_back_bit_by_bit(written):
    family, model, folder = written
    for path in (folder, folder / PREFIX[family]):
        assert google_tf1.is_checkpoint(str(path))
        found = google_tf1.read(str(path))
        assert_bit_identical(found.weights, model.weights)
        assert found.config == model.config
        assert (found.missing, found.unused, found.untold) == ((), (), ())
        assert found.vocabulary == model.vocabulary


@pytest.mark.parametrize("family", ["bert", "albert"])
@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
@pytest.mark.parametrize("num_blocks", [1, 2])
def test_their_own_code_computes_the_same_logits(tmp_path, family, hidden_act, num_blocks):
    code = os.environ.get(CODE[family])
    if not code:
        pytest.skip(f"{CODE[family]} names no folder with their modeling.py and run_pretraining.py")
    computes_erf = "tf.erf(" in (Path(code) / "modeling.py").read_text()
    if computes_erf != (hidden_act == "gelu"):
        pytest.skip("their code computes the other form of GELU")
    config = {
        "bert": tiny_config(hidden_act=hidden_act, num_hidden_layers=num_blocks),
        "albert": tiny_albert_config(
            hidden_act=hidden_act, num_hidden_layers=2 * num_blocks, num_hidden_groups=num_blocks
        ),
    }[family]
    model = trained_model(config)
    google_tf1.write(model, str(tmp_path / "export"))
    inputs = random_inputs(config)
    np.savez(tmp_path / "inputs.npz", **inputs)
    program = Path(__file__).with_name("google_code.py")
    files = (code, tmp_path / "export", tmp_path / "inputs.npz", tmp_path / "outputs.npz")
    subprocess.run([sys.executable, program, *files], check=True, capture_output=True)
    theirs = np.load(tmp_path / "outputs.npz")
    reader = tf.train.load_checkpoint(str(tmp_path / "export" / PREFIX[family]))
    assert json.loads(str(theirs["variables"])) == reader.get_variable_to_shape_map()
    ours = outputs(model, inputs)
    masked_lm = ours["masked_lm_logits"].reshape(-1, V)
    np.testing.assert_allclose(theirs["masked_lm"], masked_lm, atol=2e-5)
    np.testing.assert_allclose(theirs["sentence_pair"], ours["sentence_pair_logits"], atol=2e-5)


@pytest.mark.parametrize(("hidden_act", "form"), [("gelu", "erf"), ("gelu_new", "tanh")])
def test_the_form_of_gelu_is_told_by_a_key_that_their_code_passes_over(tmp_path, hidden_act, form):
    model = trained_model(tiny_config(hidden_act=hidden_act))
    said = []
    google_tf1.write(model, str(tmp_path / "a"), report=said.append)
    assert ["erf form of GELU" in line for line in said] == [True] * (form == "erf")
    content = json.loads((tmp_path / "a" / "bert_config.json").read_text())
    assert (content["hidden_act"], content["gelu_form"]) == ("gelu", form)
    found = google_tf1.read(str(tmp_path / "a"))
    assert (found.config.hidden_act, found.untold) == (hidden_act, ())
    del content["gelu_form"]
    (tmp_path / "a" / "bert_config.json").write_text(json.dumps(content))
    found = google_tf1.read(str(tmp_path / "a"))
    assert (found.config.hidden_act, found.untold) == ("gelu_new", ("hidden_act",))


def test_albert_without_groups_is_one_group_a_layer_there(tmp_path):
    model = trained_model(tiny_albert_config(num_hidden_layers=2, num_hidden_groups=0))
    google_tf1.write(model, str(tmp_path / "a"))
    found = google_tf1.read(str(tmp_path / "a"))
    assert_bit_identical(found.weights, model.weights)
    assert (found.config.num_hidden_layers, found.config.num_hidden_groups) == (2, 2)


def test_shared_layers_without_narrow_embeddings_are_albert_there(tmp_path):
    model = trained_model(tiny_albert_config(embedding_size=0))
    google_tf1.write(model, str(tmp_path / "a"))
    assert json.loads((tmp_path / "a" / "albert_config.json").read_text())["embedding_size"] == H
    found = google_tf1.read(str(tmp_path / "a"))
    assert_bit_identical(found.weights, model.weights)
    assert not found.config.projects_embeddings


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (tiny_config(layer_norm_eps=1e-6), "layer_norm_eps is 1e-06"),
        (
            tiny_albert_config(num_hidden_layers=22, num_hidden_groups=22),
            "would give layer 15 of this model the weights of group 14",
        ),
    ],
)
def test_a_model_that_their_code_would_compute_otherwise_is_refused(tmp_path, config, message):
    with pytest.raises(UserError, match=message):
        google_tf1.write(dataclasses.replace(trained_model(), config=config), str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()


def test_a_kill_leaves_only_files_that_are_known_as_ours(tmp_path, monkeypatch):
    def die(path, text):
        raise KeyboardInterrupt

    model = trained_model()
    place = str(tmp_path / "a")
    with monkeypatch.context() as patched:
        patched.setattr(google_tf1, "_write_text", die)
        with pytest.raises(KeyboardInterrupt):
            publish(model, place)
    assert not (tmp_path / "a").exists()
    (half,) = tmp_path.iterdir()
    (half / "bert_model.ckpt.index.tempstate1234").write_bytes(b"")  # of a kill within TensorFlow
    assert removal.foreign_files(str(half), google_tf1.owns) == []
    publish(model, place)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert not google_tf1.owns("bert_model.ckpt.txt")
    assert not google_tf1.owns("notes/vocab.txt")


def publish(model, path):
    published_folder.publish(
        path,
        "export",
        lambda folder: google_tf1.write(model, folder),
        owns=google_tf1.owns,
        advice="",
    )
