"""What is read of a run's folder, finished, going on or damaged."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mslt_tf import cost_model
from mslt_tf.analysis import runs
from mslt_tf.analysis.runs import Run
from mslt_tf.errors import UserError
from mslt_tf.records import record_sets
from mslt_tf.report_settings import NamedFolder
from mslt_tf.training import checkpoint_files
from mslt_tf.training.checkpointing import State
from tests import tiny
from tests.analysis import run_folders

STAGES = run_folders.TWO_STAGES


def read(folder: Path, *, notes: list[str] | None = None) -> Run:
    """Returns the run in a folder."""
    report = (lambda note: None) if notes is None else notes.append
    return runs.read(NamedFolder("a run", str(folder)), report=report)


def add(folder: Path, *lines: str) -> None:
    """Adds text to the metrics of a run."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("".join(lines))


def test_the_settings_come_back_as_the_run_had_them(tmp_path: Path):
    flags = {**STAGES, "embedding_size": 4, "num_hidden_groups": 4, "seed": 7, **tiny.LONG_FLAGS}
    flags |= {"stage_steps": "4,6", "joint_fraction": 0.6, "num_stages": 1}
    run = read(run_folders.write(tmp_path / "run", train={10: 3.0}, **flags))
    config = tiny.config(**flags)
    assert (run.settings.model, run.plan, run.settings.seed) == (config.model, config.plan, 7)


def test_time_is_the_sum_of_the_lines_and_even_within_one(tmp_path: Path):
    run = read(run_folders.write(tmp_path / "run", train={4: 3.4, 8: 3.2, 10: 3.1}, seconds=6.0))
    np.testing.assert_allclose(run.seconds_at([0, 2, 4, 8, 9, 10]), [0, 3, 6, 12, 15, 18])


def test_cost_is_that_of_each_stage_for_its_steps(tmp_path: Path):
    run = read(run_folders.write(tmp_path / "run", train={10: 3.1}, **STAGES))
    config = tiny.config(**STAGES)
    first, second = (
        stage.batch_size * cost_model.stage_cost(config.model, stage).flops
        for stage in config.plan.stages
    )
    assert first != second
    expected = [2 * first, 6 * first, 6 * first + 3 * second]
    np.testing.assert_allclose(run.flops_at([2, 6, 9]), expected, rtol=1e-12)


def test_an_evaluation_whose_lines_on_training_are_lost_counts_as_done(tmp_path: Path):
    held_out = {10: 3.0}
    run = read(run_folders.write(tmp_path / "run", train={4: 3.1}, held_out=held_out, seconds=6.0))
    assert (run.step, run.is_finished, run.seconds) == (10, True, 6.0)
    np.testing.assert_allclose(run.seconds_at([10]), [6.0])


def test_half_a_line_at_the_end_is_what_a_run_that_goes_on_leaves(tmp_path: Path):
    folder = run_folders.write(tmp_path / "run", train={2: 3.4, 4: 3.3})
    add(folder, '{"kind": "train", "step": 6, "mask')
    notes: list[str] = []
    run = read(folder, notes=notes)
    assert (run.step, run.is_finished, notes) == (4, False, [])


@pytest.mark.parametrize(
    "values",
    [
        {"masked_lm_loss": float("nan")},
        {"masked_lm_loss": float("-inf")},
        {"masked_lm_loss": 10**400},
        {"masked_lm_loss": "3.1"},
        {"masked_lm_loss": True},
        {"seconds": -1.0},
        {"step": 11},
        {"step": 0},
    ],
)
def test_a_line_that_cannot_be_is_left_out_with_a_note(tmp_path: Path, values: dict[str, object]):
    folder = run_folders.write(tmp_path / "run", train={2: 3.4, 4: 3.3})
    line = run_folders.entry(tiny.config(), "train", 6, 3.1, seconds=1.0)
    add(folder, run_folders.changed(line, values))
    notes: list[str] = []
    run = read(folder, notes=notes)
    assert run.step == 4
    assert "1 line(s) whose step, loss or time cannot be" in "".join(notes)
    assert list(run.notes) == notes


def test_damaged_lines_are_left_out_with_a_note(tmp_path: Path):
    folder = run_folders.write(tmp_path / "run", train={2: 3.4})
    add(folder, "\0\0\0\n", "[1]\n", run_folders.entry(tiny.config(), "train", 6, 3.1, seconds=1.0))
    notes: list[str] = []
    assert read(folder, notes=notes).step == 6
    assert "2 line(s) that are no entries, the first is line 2" in "".join(notes)


def test_losses_on_held_out_records_of_before_are_left_out_with_a_note(tmp_path: Path):
    held_out = {4: 3.3, 8: 3.2}
    folder = run_folders.write(tmp_path / "run", train={10: 3.4}, held_out=held_out, entropy=3.6)
    add(folder, run_folders.entry(tiny.config(), "eval", 10, 3.4, unigram_entropy=3.5))
    notes: list[str] = []
    assert [each.step for each in read(folder, notes=notes).evaluations] == [10]
    assert "other held-out records up to step 8" in "".join(notes)


def test_the_vocabulary_is_what_the_newest_checkpoint_says_that_can_be_used(tmp_path: Path):
    folder = run_folders.write(tmp_path / "run", train={2: 3.4})
    assert read(folder).vocabulary == ""
    for step in (4, 6, 8):
        checkpoint = folder / "checkpoints" / f"step-{step:08d}"
        checkpoint.mkdir(parents=True)
        state = State(step, identity={}, settings={record_sets.VOCABULARY: f"hash {step}"})
        checkpoint_files.seal(str(checkpoint), dataclasses.asdict(state))
    (checkpoint / "state.json").write_text("{}", "utf-8")
    assert read(folder).vocabulary == "hash 6"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "file").touch()
    reasons = {"data": "holds no config.json", "nothing": "is not there", "file": "is a file"}
    for name, reason in reasons.items():
        with pytest.raises(UserError, match=f"{name} is no folder of a run: it {reason}"):
            read(tmp_path / name)


def test_a_run_without_a_line_on_training_is_refused(tmp_path: Path):
    folder = run_folders.write(tmp_path / "run", train={})
    with pytest.raises(UserError, match=r"has no line on training in its metrics\.jsonl"):
        read(folder)
    (folder / "metrics.jsonl").write_bytes(b"\0" * 100 + b"\n")
    with pytest.raises(UserError, match=r"can be drawn \(.* has 1 line\(s\) that are no entries"):
        read(folder)
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(UserError, match=r"has no line on training in its metrics\.jsonl"):
        read(folder)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('"hidden_size": 8', '"hidden_size": "8"', "model.hidden_size is '8', not a whole"),
        ('"hidden_size": 8', '"hidden_size": 0', "hidden_size is 0"),
        ('"batch_size": 8', '"batch_size": -8', "batch_size is -8"),
        ('"num_steps": 2', f'"num_steps": 2{"0" * 400}', "num_steps is [0-9]*. Use at most"),
        ('"hidden_size": 8', f'"hidden_size": 8{"0" * 400}', "the FLOPs of the plan is"),
        ("{", "", "it is no JSON"),
    ],
    ids=["a text", "too small", "negative", "too many", "too large", "no JSON"],
)
def test_damaged_settings_are_named(tmp_path: Path, before: str, after: str, complaint: str):
    folder = run_folders.write(tmp_path / "run", train={2: 3.4})
    path = folder / "config.json"
    content = path.read_text("utf-8")
    assert before in content
    path.write_text(content.replace(before, after), "utf-8")
    with pytest.raises(UserError, match=f"config.json is not as a run writes it.*{complaint}"):
        read(folder)
