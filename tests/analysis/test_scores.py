"""The table of fine-tuning against a calculation by hand."""

import dataclasses
from pathlib import Path

import pytest

from mslt_tf.analysis import comparison, runs, scores
from mslt_tf.errors import UserError
from mslt_tf.finetuning_results import Spread, TaskSummary
from mslt_tf.report_settings import NamedFolder
from tests.analysis import run_folders
from tests.analysis.finetuning_folders import MNLI, MRPC, SQUAD, summary, write


def table(results: dict[str, list[tuple[TaskSummary, ...]]], groups=()) -> dict[str, list[str]]:
    """Returns the cells of the table by its first column."""
    (found,) = scores.section(results, groups).tables
    return {row[0]: list(row[1:]) for row in (found.header, *found.rows)}


def test_the_table_has_the_form_of_the_papers():
    found = table({"base": [(MRPC, SQUAD, MNLI)], "other": [(MNLI,)]})
    assert found["model"] == ["steps", "pretraining", "MNLI", "MRPC", "SQuAD 1.1", "Avg"]
    average = f"{(83.0 + 91.0 + (89 + 81) / 2) / 3:.1f}"
    mnli = "83.0\n(82.0 to 84.0)"
    mrpc, squad = "91.0\n(90.0 to 92.0)", "89.0/81.0\n(88.0/80.0 to 90.0/82.0)"
    assert found["base"] == ["-", "-", mnli, mrpc, squad, average]
    assert found["other"] == ["-", "-", mnli, "-", "-", "-"]


def test_several_seeds_of_pretraining_are_the_median_of_their_medians():
    better = summary("mrpc", dev={"f1": Spread(0.93, 0.88, 0.94)})
    best = summary("mrpc", dev={"f1": Spread(0.94, 0.94, 0.95)})
    assert table({"base": [(MRPC,), (better,), (best,)]})["base"][2] == "93.0\n(88.0 to 95.0)"


def test_the_steps_and_the_time_of_the_run_of_this_name_stand_beside(tmp_path: Path):
    folder = run_folders.write(tmp_path / "run", train={5: 3.0, 10: 2.9}, seconds=1_800.0)
    run = runs.read(NamedFolder("base", str(folder)), report=lambda note: None)
    assert table({"base": [(MRPC,)]}, comparison.group([run]))["base"][:2] == ["10", "1:00:00"]


def test_results_are_read_as_they_were_written(tmp_path: Path):
    assert scores.read(write(tmp_path, [MRPC, MNLI])) == (MRPC, MNLI)


def test_a_folder_without_results_or_with_damaged_ones_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"holds no results\.json.*Finish it"):
        scores.read(NamedFolder("base", str(tmp_path)))
    broken = dataclasses.asdict(MRPC) | {"metrics": {"dev": {"f1": 0.9}}}
    with pytest.raises(UserError, match=r"results\.json is not as .*: tasks\.0\.metrics\.dev\.f1"):
        scores.read(write(tmp_path, [], tasks=[broken]))
    with pytest.raises(UserError, match="tasks is None, not a list"):
        scores.read(write(tmp_path, [], tasks=None))
