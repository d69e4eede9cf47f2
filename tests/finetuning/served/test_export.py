"""What --export writes: SavedModels for a server, a manifest, and nothing over files of others."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.export import saved_models
from mslt_tf.files import removal
from mslt_tf.finetuning import finetuning
from mslt_tf.finetuning.served import export, null_threshold
from mslt_tf.finetuning.squad import squad_data, squad_metrics
from tests.export.exports import assert_described


@pytest.fixture(scope="module")
def squad_dev(squad_run):
    return squad_data.read(f"{squad_run.settings.squad_dir}/dev-v2.0.json").questions


@pytest.fixture(scope="module")
def answers(squad_run, squad_dev):
    """What the server answers to all of dev at once."""
    signature = squad_run.load("squad_2.0", "squad_2_0").signatures["serving_default"]
    texts = {
        "question": tf.constant([each.question for each in squad_dev]),
        "context": tf.constant([each.context for each in squad_dev]),
    }
    return {name: values.numpy() for name, values in signature(**texts).items()}


def test_questions_of_dev_are_answered_as_by_the_trial(squad_run, squad_dev, answers):
    (result,) = squad_run.results("squad_2.0")
    folder = result_folder(squad_run)
    predictions = json.loads((folder / "predictions.json").read_text())
    found = {q.id: text.decode() for q, text in zip(squad_dev, answers["answer"], strict=True)}
    assert found == predictions
    assert len(set(found.values())) > 2
    assert "" in found.values()
    assert squad_metrics.score_2_0(squad_dev, found)["f1"] == pytest.approx(
        result.scores["dev"]["best_f1"]
    )
    for question, start, end in zip(squad_dev, answers["start"], answers["end"], strict=True):
        assert question.context[start:end] == found[question.id]
    odds = json.loads((folder / "null_odds.json").read_text())
    np.testing.assert_allclose(answers["null_odds"], [odds[q.id] for q in squad_dev], atol=1e-4)


def result_folder(run):
    (path,) = (run.folder / "squad_2.0").glob("*/result.json")
    return path.parent


@pytest.mark.parametrize("tuned", [1.0, 2.0, 2.5, math.nextafter(-3.0, -math.inf)])
def test_the_served_threshold_parts_as_the_tuned_one_with_room_on_both_sides(tuned):
    odds = np.array([2.0, -3.0, 1.0, 1.0, 2.5])
    found = null_threshold.halfway(odds, tuned)
    np.testing.assert_array_equal(odds <= found, odds <= tuned)
    assert min(abs(odds - found)) >= 0.25


def test_null_odds_that_somebody_changed_are_told(tmp_path):
    (tmp_path / "null_odds.json").write_text('{"q": "x"}')
    with pytest.raises(UserError, match=r"null_odds\.json is not as this program wrote it: q "):
        null_threshold.read(str(tmp_path), tuned=0.0)


def test_the_manifest_says_what_is_served(mrpc_run, squad_run):
    best, _ = mrpc_run.results("mrpc")
    found = mrpc_run.manifest("mrpc")
    assert (found["task"], found["seed"]) == ("mrpc", best.seed)
    assert (found["learning_rate"], found["scores"]) == (best.learning_rate, best.scores)
    assert found["labels"] == ["not_equivalent", "equivalent"]
    assert found["oldest_server"] == "TensorFlow Serving 2.15"
    assert found["has_vocabulary"] is True
    described = found["saved_models"]["mrpc/1"]["signatures"]
    loaded = mrpc_run.load("mrpc").signatures
    assert set(described) == set(loaded) == {"serving_default", "serve_text", "serve_ids"}
    for name, signature in loaded.items():
        assert_described(described[name]["inputs"], signature.structured_input_signature[1])
        assert_described(described[name]["outputs"], signature.structured_outputs)
    of_squad = squad_run.manifest("squad_2.0")
    tuned = squad_run.results("squad_2.0")[0].scores["dev"]["null_threshold"]
    assert of_squad["null_threshold"] > tuned
    assert of_squad["windows"]["max_seq_length"] == 34
    assert of_squad["saved_models"].keys() == {"squad_2_0/1"}


def test_the_same_command_replaces_the_export_and_keeps_what_is_not_its_own(mrpc_run, capsys):
    folder = mrpc_run.folder / "mrpc" / "export"
    assert removal.foreign_files(str(folder), saved_models.owns) == []
    before = (folder / "export_manifest.json").stat().st_ino
    assert finetuning.finetune(mrpc_run.settings) == 0
    assert (folder / "export_manifest.json").stat().st_ino != before
    assert "mrpc: lr_0.01_seed_0 exported in " in capsys.readouterr().out
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"export holds notes\.txt, not written by this program"):
        finetuning.finetune(mrpc_run.settings)
    assert "trials" not in capsys.readouterr().out  # it is told before any training
    (folder / "notes.txt").unlink()


@pytest.mark.parametrize("name", ["mrpc", "squad_1.1", "squad_2.0"])
def test_names_are_such_as_a_server_takes_in_an_address(name):
    assert export.model_name(name).replace("_", "").isalnum()
