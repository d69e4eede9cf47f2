"""Notes on times that mislead, from lines written by hand."""

import json
from pathlib import Path

import pytest

from mslt_tf.analysis import line_times, runs
from mslt_tf.report_settings import NamedFolder
from tests.analysis import run_folders

STEPS = (2, 4, 6, 8, 10)  # two steps of 8 sequences take a second, at 16 sequences a second


def notes(folder: Path, seconds: dict[int, float]) -> list[str]:
    """Returns the notes on a run of some lines, by the time of each."""
    run_folders.write(folder, train=dict.fromkeys(seconds, 3.0), method="original")
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    changed = [{**line, "seconds": seconds[line["step"]]} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed), "utf-8")
    run = runs.read(NamedFolder("run", str(folder)), report=lambda note: None)
    return list(line_times.notes(run))


def test_a_usual_run_with_compilation_in_its_first_line_has_none(tmp_path: Path):
    assert notes(tmp_path / "run", {2: 500.0, 4: 1.0, 6: 1.2, 8: 0.9, 10: 4.9}) == []


@pytest.mark.parametrize("at", [4, 10])
def test_a_rest_of_the_machine_is_told(tmp_path: Path, at: int):
    (note,) = notes(tmp_path / "run", dict.fromkeys(STEPS, 1.0) | {at: 3_601.0})
    assert f"2 steps up to step {at} took 1:00:01, and usually take 0:00:01" in note
    assert "for 1:00:00 in all" in note


def test_lines_that_are_missing_are_told_by_the_time_that_lacks(tmp_path: Path):
    (note,) = notes(tmp_path / "run", {2: 1.0, 8: 1.0, 10: 1.0})  # six steps in a second
    assert "1 line(s) on training, the first at step 8," in note
    assert "about 0:00:02 too short" in note


def test_what_hardly_moves_the_time_is_not_told(tmp_path: Path):
    assert notes(tmp_path / "run", {2: 2_000.0, 4: 1.0, 6: 1.0, 8: 60.0, 10: 0.1}) == []
