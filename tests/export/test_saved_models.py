"""What an export's folder holds, and that a half-written one is none."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from mslt_tf.export import saved_models
from mslt_tf.files import published_folder, removal
from tests.export import exports

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
        assert_described(described[name]["inputs"], inputs)
        assert_described(described[name]["outputs"], signature.structured_outputs)


def assert_described(described, specs):
    assert described.keys() == specs.keys()
    for name, spec in specs.items():
        dtype = {"float32": "float"}.get(spec.dtype.name, spec.dtype.name)
        assert described[name] == {"dtype": dtype, "shape": spec.shape.as_list()}


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
