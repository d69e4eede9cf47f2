"""The SavedModels that a run leaves behind."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.export import saved_models
from mslt_tf.pretraining import training
from mslt_tf.training import checkpointing
from tests import tiny
from tests.pretraining import quick_runs


@pytest.mark.slow
def test_they_hold_the_last_checkpoints_model_and_the_vocabulary(tmp_path):
    records = tiny.write_random_shards(tmp_path / "records")
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join(tiny.vocabulary()), "utf-8")
    settings = {"train_records": records, "vocab_file": vocab_file, "output_dir": tmp_path / "run"}
    config = tiny.config(**quick_runs.SMALL, **settings)
    assert training.pretrain(config) == 0
    checkpoint = checkpointing.newest(str(tmp_path / "run/checkpoints"), report=lambda line: None)
    weights = checkpointing.read_weights(checkpoint)
    export = tmp_path / "run" / "export"
    exported = tf.saved_model.load(str(export / "encoder"))
    values = {v.name: v.numpy() for v in exported.mlm.variables}
    for layer in ("embeddings", "encoder_0", "pooler", "masked_lm"):
        for name, value in weights[layer].items():
            np.testing.assert_array_equal(values[f"{layer}/{name}:0"], value)
    manifest = json.loads((export / "export_manifest.json").read_text())
    assert (manifest["step"], manifest["stage"]) == (6, "original")
    assert manifest["data"] == checkpoint.identity["data"]
    preprocessor = tf.saved_model.load(str(export / "preprocessor"))
    token = preprocessor.tokenize(tf.constant(["token3"])).to_list()
    assert token == [[[tiny.vocabulary().index("token3")]]]


def test_they_are_made_again_from_the_checkpoint_where_they_are_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_models, "write", quick_runs.write_export)
    records = tiny.write_random_shards(tmp_path / "records")
    config = tiny.config(**quick_runs.SMALL, train_records=records, output_dir=tmp_path)
    assert training.pretrain(config) == 0
    tf.io.gfile.rmtree(str(tmp_path / "export"))
    assert training.pretrain(config) == 0
    assert saved_models.exists(str(tmp_path / "export"))


def test_steps_that_were_done_anew_are_exported_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(saved_models, "write", quick_runs.write_export)
    data = {"train_records": tiny.write_random_shards(tmp_path / "records")}
    folder = tmp_path / "run"
    written = folder / "export" / "bert" / "1" / "saved_model.pb"
    assert quick_runs.pretrain(folder, data) == 0
    before = written.read_text()
    (folder / "checkpoints" / "step-00000006").rename(tmp_path / "moved away")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_export", lambda run, weights: None)  # killed before
        assert quick_runs.pretrain(folder, data, learning_rate=0.5) == 0
    assert written.read_text() == before
    assert quick_runs.pretrain(folder, data, learning_rate=0.5) == 0
    assert written.read_text() != before
    capsys.readouterr()
    assert quick_runs.pretrain(folder, data, learning_rate=0.5) == 0
    assert "This run is done" in capsys.readouterr().out
