"""Grids from their start to their table of results."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from mslt_tf import terminal
from mslt_tf.finetuning import finetuning, trial_training
from tests import saved_weights
from tests.finetuning import tiny_grid
from tests.finetuning.tiny_grid import NUM_DEV, NUM_STEPS, NUM_TRAIN

MNLI = {"task": "mnli", "num_seeds": 2}
FIRST, SECOND = "mnli/lr_0.01_seed_0", "mnli/lr_0.01_seed_1"
STSB = "stsb/lr_0.01_seed_0"


def finetune(tiny_data, folder, **given):
    return finetuning.finetune(tiny_grid.settings({**tiny_data, "output_dir": folder, **given}))


@pytest.fixture(scope="module")
def grid(tiny_data, tmp_path_factory):
    """A folder with two trials of MNLI, and one of STS-B that was added later."""
    folder = tmp_path_factory.mktemp("grid") / "out"
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr(terminal, "write", lines.append)
        assert finetune(tiny_data, folder, **MNLI) == 0
        assert finetune(tiny_data, folder, task="stsb") == 0
    (folder / "said.txt").write_text("".join(lines))
    return folder


def scores_of(folder, name):
    return json.loads((folder / name / "result.json").read_text())["scores"]


def labels_and_predictions(grid, tiny_data, file, split):
    rows = (tiny_data["glue_dir"] / file).read_text().splitlines()[1:]
    predicted = (grid / split).read_text().splitlines()
    assert predicted[0] == "index\tprediction"
    pairs = [line.split("\t") for line in predicted[1:]]
    assert [int(index) for index, _ in pairs] == list(range(NUM_DEV))
    return [row.split("\t")[-1] for row in rows], [word for _, word in pairs]


def test_scores_are_those_of_the_predictions_that_lie_beside_them(grid, tiny_data):
    labels, words = labels_and_predictions(
        grid, tiny_data, "MNLI/dev_matched.tsv", f"{FIRST}/predictions_dev_matched.tsv"
    )
    expected = sklearn.metrics.accuracy_score(labels, words)
    assert scores_of(grid, FIRST)["dev_matched"] == {"accuracy": pytest.approx(expected)}


def test_ax_is_scored_by_the_model_of_mnli_and_a_split_that_lacks_is_told(grid, tiny_data):
    labels, words = labels_and_predictions(
        grid, tiny_data, "diagnostic/diagnostic-full.tsv", f"{FIRST}/predictions_ax_dev.tsv"
    )
    scores = scores_of(grid, FIRST)
    assert list(scores) == ["dev_matched", "ax_dev"]
    expected = sklearn.metrics.matthews_corrcoef(labels, words)
    assert scores["ax_dev"] == {"matthews": pytest.approx(expected)}
    told = f"not scored: MNLI dev_mismatched, which {tiny_data['glue_dir']} lacks"
    assert (grid / "said.txt").read_text().count(told) == 1


def test_stsb_is_a_regression(grid, tiny_data):
    labels, words = labels_and_predictions(
        grid, tiny_data, "STS-B/dev.tsv", f"{STSB}/predictions_dev.tsv"
    )
    theirs = np.corrcoef(np.array(labels, float), np.array(words, float))[0, 1]
    assert scores_of(grid, STSB)["dev"]["pearson"] == pytest.approx(theirs, abs=1e-4)
    assert len(set(words)) > 3


def test_a_trial_logs_its_curves_and_what_it_took(grid):
    steps = [step for step, _ in tiny_grid.losses_of(grid / FIRST)]
    assert steps == list(range(2, NUM_STEPS + 1, 2))
    lines = (grid / FIRST / "metrics.jsonl").read_text().splitlines()
    first, *_, last = (json.loads(line) for line in lines)
    # One step of twelve warms up: the second update is at the peak.
    assert first["learning_rate"] == pytest.approx(0.01)
    assert {"loss", "gradient_norm", "examples_per_second"} < first.keys()
    assert last["kind"] == "eval"
    assert last["ax_dev/matthews"] == scores_of(grid, FIRST)["ax_dev"]["matthews"]
    result = json.loads((grid / FIRST / "result.json").read_text())
    assert (result["num_steps"], result["num_examples"]) == (NUM_STEPS, NUM_TRAIN)
    assert result["seconds"] > 0
    assert result["examples_per_second"] > 0


def test_only_the_best_trial_of_a_task_keeps_its_model(grid):
    results = {name: tiny_grid.result_of(grid / name) for name in (FIRST, SECOND)}
    best = max(results, key=lambda name: results[name]["selection_score"])
    kept = [str(path.parent.parent.relative_to(grid)) for path in grid.rglob("step-*")]
    assert sorted(kept) == [best, STSB]


def test_the_table_has_the_tasks_of_all_commands(grid):
    tasks = json.loads((grid / "results.json").read_text())["tasks"]
    assert [each["task"] for each in tasks] == ["stsb", "mnli"]
    table = (grid / "results.md").read_text()
    for row in ("| stsb | dev | pearson |", "| mnli | dev_matched |", "| mnli | ax_dev |"):
        assert row in table


def test_finished_trials_are_not_trained_again(grid, tiny_data, monkeypatch, capsys):
    monkeypatch.setattr(trial_training, "train", None)
    before = {path: path.stat().st_mtime_ns for path in grid.rglob("*/*") if path.is_file()}
    assert finetune(tiny_data, grid, **MNLI) == 0
    assert "trials: 2, of which 0 are to be trained" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_model_that_an_ended_start_had_no_time_to_remove_goes_at_the_next_one(
    grid, tiny_data, tmp_path, monkeypatch
):
    monkeypatch.setattr(trial_training, "train", None)
    folder = shutil.copytree(grid, tmp_path / "out")
    (kept,) = folder.glob("mnli/*/checkpoints/step-*")
    (worse,) = {folder / FIRST, folder / SECOND} - {kept.parents[1]}
    shutil.copytree(kept, worse / "checkpoints" / kept.name)
    assert finetune(tiny_data, folder, task="stsb") == 0
    assert sorted(folder.rglob("step-*")) == sorted(
        folder / path.relative_to(grid) for path in grid.rglob("step-*")
    )


def test_another_seed_gives_another_course(grid):
    first, second = (tiny_grid.losses_of(grid / name) for name in (FIRST, SECOND))
    assert [step for step, _ in first] == [step for step, _ in second]
    assert all(ours[1] != theirs[1] for ours, theirs in zip(first, second, strict=True))


@pytest.mark.slow
def test_a_trial_that_ctrl_c_interrupts_goes_on_to_the_same_bits(
    grid, tiny_data, tmp_path, monkeypatch, capsys
):
    tell = trial_training._Run._tell

    def interrupt(run, update):
        if update.step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        tell(run, update)

    with monkeypatch.context() as patch:
        patch.setattr(trial_training._Run, "_tell", interrupt)
        assert finetune(tiny_data, tmp_path, task="stsb") == 130
    assert "Interrupted; saved. The same command goes on" in capsys.readouterr().out
    assert os.listdir(tmp_path / STSB / "checkpoints") == ["step-00000007"]
    assert not (tmp_path / "results.json").exists()
    assert finetune(tiny_data, tmp_path, task="stsb") == 0
    assert tiny_grid.result_of(tmp_path / STSB) == tiny_grid.result_of(grid / STSB)
    predictions = [
        (folder / STSB / "predictions_dev.tsv").read_text() for folder in (grid, tmp_path)
    ]
    assert predictions[0] == predictions[1]
    found, expected = (saved_weights.weights_at(f / STSB, NUM_STEPS) for f in (tmp_path, grid))
    saved_weights.assert_bit_identical(found, expected)


def test_a_model_is_kept_without_its_optimizer(grid):
    names = tf.train.list_variables(
        str(grid / STSB / f"checkpoints/step-{NUM_STEPS:08d}/variables")
    )
    assert names
    assert not [name for name, _ in names if name.startswith("optimizer")]
