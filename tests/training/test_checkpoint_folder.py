"""Of what lies among the checkpoints, only what this program wrote is read or removed."""

import os
import shutil

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.training import checkpoint_folder, checkpointing


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def save(folder, step, *, num_kept=2, kept_steps=(), report=pytest.fail):
    state = tf.train.Checkpoint(weights=tf.Variable([float(step)]))
    return checkpointing.save(
        str(folder),
        state,
        step=step,
        identity={},
        settings={},
        num_kept=num_kept,
        kept_steps=kept_steps,
        report=report,
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def newest(folder, report=pytest.fail):
    return checkpointing.newest(str(folder), report=report).step


def test_copies_under_names_of_ones_own_stay_and_are_not_taken_for_checkpoints(folder):
    save(folder, 6)
    own = ("step-00000006-end-of-stage-1", "step-00000012.bak", "step-6", "tmp-of-mine", "notes")
    for name in own:
        shutil.copytree(folder / "step-00000006", folder / name)
    for step in (7, 8, 9):
        save(folder, step)
    assert names(folder) == sorted([*own, "step-00000008", "step-00000009"])
    assert newest(folder) == 9


def test_steps_of_more_digits_sort_by_number(folder):
    save(folder, 99_999_999)
    save(folder, 100_000_000)
    assert checkpoint_folder.steps(str(folder)) == [99_999_999, 100_000_000]
    assert newest(folder) == 100_000_000


def test_the_ends_of_stages_stay_beside_the_newest(folder):
    for step in range(1, 9):
        save(folder, step, kept_steps=(2, 5, 10))
    assert checkpoint_folder.steps(str(folder)) == [2, 5, 7, 8]


def test_a_checkpoint_with_a_file_that_somebody_put_into_it_is_kept_and_told(folder):
    save(folder, 1)
    (folder / "step-00000001" / "thesis.txt").write_text("mine")
    lines = []
    for step in (2, 3):
        save(folder, step, report=lines.append)
    assert checkpoint_folder.steps(str(folder)) == [1, 2, 3]
    (line,) = lines
    assert "step-00000001 is kept, as it holds thesis.txt" in line
    assert (folder / "step-00000001" / "thesis.txt").read_text() == "mine"


def test_a_write_protected_checkpoint_is_kept_and_told(folder, monkeypatch):
    for step in (1, 2):
        save(folder, step)
    protected = str(folder / "step-00000001")
    # Rights say nothing to whoever is root, as tests may be.
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != protected and may(path, mode))
    lines = []
    for step in (3, 4):
        save(folder, step, report=lines.append)
    assert names(folder) == ["step-00000001", "step-00000003", "step-00000004"]
    assert set(lines) == {f"note: {protected} is kept, as it is write-protected"}
    assert newest(folder) == 4


def test_what_lies_in_the_place_of_a_checkpoint_is_kept_under_another_name(folder):
    (folder / "step-00000003").mkdir(parents=True)
    (folder / "step-00000003" / "thesis.txt").write_text("mine")
    lines = []
    save(folder, 3, report=lines.append)
    assert newest(folder) == 3
    assert (folder / "step-00000003.kept" / "thesis.txt").read_text() == "mine"
    assert "step-00000003.kept now" in lines[0]
    shutil.copytree(folder / "step-00000003.kept", folder / "step-00000004")
    shutil.copytree(folder / "step-00000003.kept", folder / "step-00000004.kept")
    save(folder, 4, report=lines.append)  # the name is taken
    assert newest(folder) == 4
    assert (folder / "step-00000004.kept1" / "thesis.txt").read_text() == "mine"


def test_a_checkpoint_that_was_moved_and_linked_back_is_read_and_never_removed(folder, tmp_path):
    save(folder, 1)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "step-00000001", elsewhere)
    (folder / "step-00000001").symlink_to(elsewhere)
    assert newest(folder) == 1
    lines = []
    for step in (2, 3):
        save(folder, step, report=lines.append)
    assert lines == [f"note: {folder}/step-00000001 is kept, as it is a link"]
    assert (elsewhere / "state.json").exists()
    save(folder, 1, report=lines.append)  # again, as when it was passed over
    assert newest(folder) == 3
    assert (folder / "step-00000001.kept").is_symlink()
    assert not (folder / "step-00000001").is_symlink()


def test_what_a_kill_left_half_written_or_half_removed_goes_with_the_next_checkpoint(folder):
    for leftover in ("tmp-00000001", "tmp-00000002"):
        (folder / leftover / "variables_temp").mkdir(parents=True)
        (folder / leftover / "variables_temp" / "part-00000-of-00001.index").write_text("")
        (folder / leftover / "state.json").write_text("")
    save(folder, 3)
    assert names(folder) == ["step-00000003"]


def test_a_checkpoint_that_says_it_is_of_another_step_is_passed_over(folder):
    save(folder, 1)
    shutil.copytree(folder / "step-00000001", folder / "step-00000005")
    lines = []
    assert newest(folder, lines.append) == 1
    assert "says that it is of step 1" in lines[0]


def test_where_none_can_be_used_the_run_does_not_begin_anew(folder):
    (folder / "step-00000005").mkdir(parents=True)
    lines = []
    with pytest.raises(UserError, match=r"no checkpoint in .* can be used"):
        checkpointing.newest(str(folder), report=lines.append)
    assert "has no state.json" in lines[0]


def test_a_checkpoint_that_cannot_be_written_leaves_nothing_half_written(folder, monkeypatch):
    save(folder, 1)

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        save(folder, 2)
    assert names(folder) == ["step-00000001"]
