"""What an export's folder holds, that it can be read back, and that a half-written one is none."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import encoders, google_tf1, huggingface, starting_weights
from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.files import published_folder, removal
from mslt_tf.text_case import TextCase
from tests import tiny
from tests.conversion import tf1_checkpoints
from tests.export import exports
from tests.saved_weights import assert_bit_identical

ROOT = Path(__file__).parents[2]


def manifest_of(export):
    return json.loads((export.folder / "export_manifest.json").read_text())


def test_a_folder_holds_what_hub_and_server_ask_for(bert_export):
    for name in ("encoder", "preprocessor", "bert/1"):
        assert (bert_export.folder / name / "saved_model.pb").is_file()
    config = json.loads((bert_export.folder / "encoder/assets.extra/bert_config.json").read_text())
    assert config == bert_export.trained.config.to_bert_config()
    foreign = removal.foreign_files(str(bert_export.folder), saved_models.owns)
    assert foreign == []
    assert saved_models.exists(str(bert_export.folder))
    assert bert_export.lines == ["writing encoder", "writing bert/1", "writing preprocessor"]


def test_without_a_vocabulary_there_is_nothing_of_text_and_it_is_said(albert_export):
    names = {path.name for path in albert_export.folder.iterdir()}
    assert names == {"encoder", "small", "export_manifest.json"}
    assert albert_export.lines[0] == (
        "no vocabulary is known: no preprocessor, and small/1 takes ids only"
    )
    loaded = albert_export.load("small/1")
    assert set(loaded.signatures) == {"serving_default", "serve_examples"}
    assert not hasattr(albert_export.load("encoder"), "vocab_file")
    manifest = manifest_of(albert_export)
    assert manifest["has_vocabulary"] is False
    assert set(manifest["saved_models"]) == {"encoder", "small/1"}


def test_the_manifest_says_what_it_is_of(bert_export):
    manifest, trained = manifest_of(bert_export), bert_export.trained
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert manifest["oldest_server"] == "TensorFlow Serving 2.15"
    text_ops = {name: graph["text_ops"] for name, graph in manifest["saved_models"].items()}
    of_text = ["FastWordpieceTokenizeWithOffsets", "NormalizeUTF8"]
    assert text_ops == {"encoder": [], "bert/1": of_text, "preprocessor": of_text}
    assert manifest["model"] == trained.config.to_bert_config()
    assert manifest["text_case"] == {"do_lower_case": True, "strip_accents": True}
    assert (manifest["step"], manifest["stage"]) == (7, "layers_2")
    for name, key in (("plan", "stages"), ("data", "data"), ("seed", "seed")):
        assert manifest[name] == trained.identity[key]


def test_the_manifest_has_the_signatures_as_tensorflow_loads_them(bert_export):
    described = manifest_of(bert_export)["saved_models"]["bert/1"]["signatures"]
    loaded = bert_export.load("bert/1").signatures
    assert set(described) == set(loaded)
    assert len(described) == 5
    for name, signature in loaded.items():
        inputs = signature.structured_input_signature[1]
        exports.assert_described(described[name]["inputs"], inputs)
        exports.assert_described(described[name]["outputs"], signature.structured_outputs)


@pytest.mark.parametrize(
    "path",
    [
        *("thesis.txt", "encoder/thesis.txt", "bert/2/saved_model.pb", "bert/1/notes/mine"),
        *("encoder/assets.extra/mine", ".git/saved_model.pb", "a/b/1/saved_model.pb"),
    ],
)
def test_files_of_others_are_not_taken_for_its_own(path):
    assert not saved_models.owns(path)


@pytest.mark.parametrize(
    "path",
    [
        *("export_manifest.json", removal.MARK_FILE, "encoder/", "bert/1/", "bert/1/assets/"),
        *("bert/1/variables/variables.index", "preprocessor/assets/vocab.txt"),
    ],
)
def test_its_own_files_are_known(path):
    assert saved_models.owns(path)


def test_names_of_every_written_file_and_folder_are_its_own(bert_export):
    for path in bert_export.folder.rglob("*"):
        name = str(path.relative_to(bert_export.folder))
        assert saved_models.owns(f"{name}/" if path.is_dir() else name), name


EXPORTING = """
import os, signal, sys
from mslt_tf.export import manifest, preprocessor
from tests.export import test_saved_models
module, name = {"early": (preprocessor, "make"), "late": (manifest, "describe")}[sys.argv[2]]
setattr(module, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
test_saved_models.publish(sys.argv[1])
"""


def publish(path):
    trained = exports.trained_model(exports.tiny_bert())
    published_folder.publish(
        path,
        saved_models.KIND,
        lambda folder: saved_models.write(trained, folder, report=lambda line: None),
        owns=saved_models.owns,
        advice="Mend that.",
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["early", "late"])
def test_a_kill_leaves_nothing_that_looks_finished_and_nothing_in_the_way(tmp_path, moment):
    path = tmp_path / "export"
    command = [sys.executable, "-c", EXPORTING, str(path), moment]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not path.exists()
    partial = Path(removal.partial_path(str(path)))
    assert partial.exists() == (moment == "late")
    assert not saved_models.exists(str(partial))
    publish(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["export"]
    assert saved_models.facts_of(str(path)) == {}


def read_encoder(path, **options):
    return encoders.read(str(path), report=lambda line: None, **options)


def refusal(path, **options):
    with pytest.raises(UserError) as caught:
        read_encoder(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_words(folder, tokens):
    (folder / "words.txt").write_text("".join(f"{token}\n" for token in tokens), "utf-8")
    return str(folder / "words.txt")


@pytest.fixture
def encoder(bert_export, tmp_path):
    """A copy of the encoder's SavedModel."""
    return shutil.copytree(bert_export.folder / "encoder", tmp_path / "encoder")


@pytest.mark.parametrize("fixture", ["bert_export", "albert_export"])
def test_it_is_the_same_encoder_as_in_other_formats(request, tmp_path, fixture):
    made = request.getfixturevalue(fixture)
    with_plan = dataclasses.replace(made.trained, identity=tiny.config().identity())
    huggingface.write(with_plan, str(tmp_path / "huggingface"))
    google_tf1.write(made.trained, str(tmp_path / "google"))
    told = {"vocab_file": write_words(tmp_path, exports.VOCABULARY), "text_case": exports.CASE}
    for path in (
        *(made.folder, made.folder / "encoder"),
        *(tmp_path / "huggingface", tmp_path / "google"),
    ):
        found = read_encoder(path, **told)
        assert {*found.weights} == {"embeddings", "encoder_0", "encoder_1", "pooler"}
        assert_bit_identical(
            found.weights, {layer: made.trained.weights[layer] for layer in found.weights}
        )
        assert found.config == made.trained.config
    if made.trained.vocabulary is None:
        assert "comes without a vocabulary" in refusal(made.folder)
    else:
        assert read_encoder(made.folder).vocabulary == made.trained.vocabulary


def test_a_run_can_start_from_it(bert_export):
    trained = bert_export.trained
    found = starting_weights.read(str(bert_export.folder), report=lambda line: None)
    (note,) = starting_weights.check(found, trained.config, vocabulary=exports.VOCABULARY)
    assert note.endswith("lacks heads, which get initial weights: sentence_pair")
    assert_bit_identical(found.weights["masked_lm"], trained.weights["masked_lm"])


@pytest.mark.parametrize(
    ("do_lower_case", "strip_accents", "expected"),
    [
        (True, False, TextCase(True, False)),
        (False, True, TextCase(False, True)),
        (True, None, TextCase(True, True)),  # before there was a choice
        (None, None, None),
        (np.array([True]), None, None),
        (np.array(1.0), None, None),
    ],
)
def test_it_tells_its_text_case_also_as_older_exports_did(
    encoder, do_lower_case, strip_accents, expected
):
    prefix = encoder / "variables" / "variables"
    tensors = tf1_checkpoints.load(prefix)
    for name, value in (("do_lower_case", do_lower_case), ("strip_accents", strip_accents)):
        del tensors[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"]
        if value is not None:
            tensors[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"] = value
    tf1_checkpoints.save(prefix, tensors)
    if expected is None:
        assert "by --do_lower_case or --nodo_lower_case" in refusal(encoder)
    else:
        assert read_encoder(encoder).text_case == expected


def test_older_exports_are_read_and_the_graph_of_none_is_touched(encoder, bert_export):
    (encoder / "saved_model.pb").write_bytes(b"no graph")
    # It was a file of the user's.
    (encoder / "assets" / "vocab.txt").rename(encoder / "assets" / "my words.txt")
    found = read_encoder(encoder)
    assert found.vocabulary == exports.VOCABULARY
    assert_bit_identical(found.weights["pooler"], bert_export.trained.weights["pooler"])


def test_only_its_own_vocabulary_may_be_given(encoder, tmp_path):
    tokens = list(exports.VOCABULARY)
    assert read_encoder(encoder, vocab_file=write_words(tmp_path, tokens))
    tokens[7:9] = tokens[8], tokens[7]
    message = refusal(encoder, vocab_file=write_words(tmp_path, tokens))
    assert "(its hash differs). Give the vocabulary that the model was trained with" in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_hidden_layers": 10**9, "num_hidden_groups": 1}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": 3}, "lacks weights of the embeddings or the encoder: encoder_2/"),
        ({"vocab_size": 51}, "embeddings/word_embeddings as float32 [73, 32]"),
        ({"hidden_size": "32"}, "bert_config.json does not describe a model of ours: hidden_size"),
        ({"hidden_size": 0}, "bert_config.json does not describe a model of ours: hidden_size"),
    ],
)
def test_a_configuration_that_does_not_fit_its_weights_is_refused(encoder, changes, reason):
    path = encoder / "assets.extra" / "bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    assert reason in refusal(encoder)


def test_damaged_files_of_an_encoder_are_named(encoder):
    prefix = encoder / "variables" / "variables"
    data, index = (Path(f"{prefix}.{end}") for end in ("data-00000-of-00001", "index"))
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    assert "variables is damaged" in refusal(encoder)
    data.write_bytes(content)
    tensors = tf1_checkpoints.load(prefix)
    for objects in (b"\xff" * 9, np.array(7)):
        tf1_checkpoints.save(prefix, tensors | {"_CHECKPOINTABLE_OBJECT_GRAPH": objects})
        assert "variables does not tell the names of its variables" in refusal(encoder)
    index.write_bytes(index.read_bytes()[:100])
    assert "variables is damaged" in refusal(encoder)
    data.unlink()
    assert "variables.data-00000-of-00001 is missing" in refusal(encoder)
    (encoder / "assets.extra" / "bert_config.json").unlink()
    assert "is a SavedModel without assets.extra/bert_config.json" in refusal(encoder)
