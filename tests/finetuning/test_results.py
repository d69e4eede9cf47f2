"""The table of results against a calculation by hand."""

import dataclasses
import json

import pytest

from mslt_tf.finetuning import results, trial
from mslt_tf.finetuning.trial import Trial, TrialResult
from mslt_tf.finetuning_results import Spread


def result(rate, seed, f1, accuracy, *, seconds=60.0, speed=100.0):
    scores = {"dev": {"f1": f1, "accuracy": accuracy}}
    mean = (f1 + accuracy) / 2
    return TrialResult("mrpc", rate, seed, scores, mean, 9, 99, 0.05, seconds, speed)


# The rate of the best trial has a lower median than the other one.
RESULTS = [
    result(2e-5, 0, 0.80, 0.70, speed=10.0),
    result(2e-5, 1, 0.84, 0.78),
    result(2e-5, 2, 0.82, 0.80, seconds=3_600.0),
    result(5e-5, 0, 0.95, 0.93),
    result(5e-5, 1, 0.70, 0.60),
    result(5e-5, 2, 0.72, 0.62, speed=300.0),
]


@pytest.fixture
def folder(tmp_path):
    """Trials as they lie on disk, the last one first."""
    for each in reversed(RESULTS):
        path = each.trial.folder(str(tmp_path))
        trial.claim(path, {"seed": each.seed})
        trial.write_result(path, each)
    return tmp_path


def test_a_split_that_not_all_seeds_were_scored_on_is_left_out():
    later = dataclasses.replace(RESULTS[1], scores={**RESULTS[1].scores, "ax": {"matthews": 0.5}})
    assert list(results.summarize([later, RESULTS[0]], {}).metrics) == ["dev"]
    assert list(results.summarize([later], {}).metrics) == ["dev", "ax"]


def test_a_rate_is_chosen_by_its_median_and_a_trial_by_its_own_score(folder):
    found = results.read_task(str(folder), "mrpc")
    assert found == RESULTS
    summary = results.summarize(found, {})
    assert summary.learning_rate == 2e-5
    assert summary.metrics["dev"] == {
        "f1": Spread(0.82, 0.80, 0.84),
        "accuracy": Spread(0.78, 0.70, 0.80),
    }
    assert (summary.num_seeds, summary.num_trials) == (3, 6)
    assert (summary.seconds, summary.examples_per_second) == (3_900.0, 100.0)
    assert summary.best_trial == "lr_5e-05_seed_0"


def test_of_equal_trials_the_first_is_the_best():
    equal = [result(rate, seed, 0.5, 0.5) for rate in (2e-5, 5e-5) for seed in (0, 1)]
    assert results.best(equal).trial == Trial("mrpc", 2e-5, 0)
    assert results.summarize(equal, {}).learning_rate == 2e-5


def test_a_rate_with_fewer_seeds_is_not_compared():
    lucky = result(3e-5, 0, 0.99, 0.99)
    assert results.summarize([*RESULTS, lucky], {}).learning_rate == 2e-5


def test_files_say_what_the_summary_says(folder):
    summary = results.summarize(RESULTS, {"num_epochs": 3, "precision": "float32"})
    table = results.write(str(folder), [summary], {"encoder": "runs/base"})
    assert table.splitlines()[2:] == [
        "| mrpc | dev | f1 | 0.820 | 0.800 to 0.840 | 3 | 2e-05 | 6 | 1:05:00 | 100 |",
        "| mrpc | dev | accuracy | 0.780 | 0.700 to 0.800 | 3 | 2e-05 | 6 | 1:05:00 | 100 |",
    ]
    heading = "- encoder: runs/base\n- mrpc: num_epochs 3, precision float32\n"
    assert (folder / "results.md").read_text() == f"# Results\n\n{heading}\n{table}"
    content = json.loads((folder / "results.json").read_text())
    assert content["encoder"] == "runs/base"
    (task,) = content["tasks"]
    assert task["metrics"]["dev"]["f1"] == {"median": 0.82, "lowest": 0.8, "highest": 0.84}
    assert task["settings"] == {"num_epochs": 3, "precision": "float32"}
    assert (task["learning_rate"], task["best_trial"]) == (2e-5, "lr_5e-05_seed_0")


def test_the_speed_of_a_single_step_is_not_known():
    summary = results.summarize([result(1e-4, 0, 0.5, 0.5, speed=0.0)], {})
    assert results.to_markdown([summary]).splitlines()[-1].endswith("| 0:01:00 | - |")


def test_what_is_no_finished_trial_is_passed_over(folder):
    for name in ("lr_2e-05_seed_3", "lr_2e-05_seed_0.kept", "notes"):
        (folder / "mrpc" / name).mkdir()
    (folder / "mrpc" / "lr_2e-05_seed_3" / "result.json").write_text("mine")
    (folder / "mrpc" / "lr_2e-05_seed_4").write_text("mine")
    trial.claim(str(folder / "mrpc" / "lr_2e-05_seed_5"), {"seed": 5})
    assert results.read_task(str(folder), "mrpc") == RESULTS
    assert results.read_task(str(folder), "rte") == []
