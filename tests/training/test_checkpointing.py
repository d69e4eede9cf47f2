"""Checkpoints on disk: complete, checked, compared."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.modeling import weights
from mslt_tf.pretraining import stage_model
from mslt_tf.training import checkpoint_files, checkpointing, optimization
from tests import tiny

CONFIG = tiny.config()
IDENTITY = {**CONFIG.identity(), "data": {}}


def make_state(*, stage=1, seed=0):
    config = tiny.config(seed=seed)
    model = stage_model.build(config, config.plan.stages[stage])
    global_step = tf.Variable(0, dtype=tf.int64)
    optimizer = optimization.make_optimizer(
        config.optimizer,
        global_step=global_step,
        optimizer_start=0,
        variables=model.trainable_variables,
        precision="float32",
    )
    return checkpointing.trackable(model, optimizer, global_step), model, optimizer, global_step


def save(folder, state, step, *, num_kept=3):
    return checkpointing.save(
        str(folder),
        state,
        step=step,
        identity=IDENTITY,
        settings={"learning_rate": 0.01},
        num_kept=num_kept,
    )


def newest(folder):
    lines = []
    return checkpointing.newest(str(folder), report=lines.append), lines


def test_weights_slots_and_counters_come_back_bit_identical(tmp_path):
    state, model, optimizer, global_step = make_state()
    gradients = [tf.random.stateless_normal(v.shape, [1, 2]) for v in model.trainable_variables]
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    global_step.assign(7)
    save(tmp_path, state, 7)
    other_state, other_model, other_optimizer, other_step = make_state(seed=1)
    checkpoint, _ = newest(tmp_path)
    checkpointing.restore(checkpoint, other_state)
    assert int(other_step) == 7
    for ours, theirs in zip(model.variables, other_model.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, ours.name)
    pairs = zip(optimizer.get_weights(), other_optimizer.get_weights(), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)
    assert any(np.any(values) for values in other_optimizer.get_weights()[1:])
    read = checkpointing.read_weights(checkpoint)
    expected = weights.weights_of(model)
    assert read.keys() == expected.keys()
    for layer, values in expected.items():
        assert read[layer].keys() == values.keys()
        for name, value in values.items():
            np.testing.assert_array_equal(read[layer][name], value)


def test_a_checkpoint_of_another_depth_cannot_be_restored(tmp_path):
    save(tmp_path, make_state(stage=1)[0], 1)
    checkpoint, _ = newest(tmp_path)
    with pytest.raises(AssertionError):
        checkpointing.restore(checkpoint, make_state(stage=0)[0])


def test_the_newest_ones_are_kept(tmp_path):
    state = make_state()[0]
    for step in (9, 10, 100, 101):
        save(tmp_path, state, step, num_kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000100", "step-00000101"]
    assert newest(tmp_path)[0].step == 101


DATA, INDEX, STATE = "variables.data-00000-of-00001", "variables.index", "state.json"
FILES = (DATA, INDEX, STATE)


@pytest.fixture(scope="module")
def two_saved(tmp_path_factory):
    """A folder with the checkpoints of steps 1 and 2, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("saved")
    state = make_state()[0]
    save(folder, state, 1)
    save(folder, state, 2)
    return folder


def flip_bit(path, position):
    """Inverts one bit; `position` counts bits from the start, or from the end if negative."""
    content = bytearray(path.read_bytes())
    position %= 8 * len(content)
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


DAMAGE = {
    "gone": lambda path: path.unlink(),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_said(
    two_saved, tmp_path, name, damage
):
    folder = shutil.copytree(two_saved, tmp_path / "run")
    DAMAGE[damage](folder / "step-00000002" / name)
    checkpoint, lines = newest(folder)
    assert checkpoint.step == 1
    assert len(lines) == 1
    assert "step-00000002" in lines[0]
    assert name in lines[0]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, 7, 400, -400, -8, -1])
def test_a_flipped_bit_is_found_and_the_file_named(two_saved, tmp_path, name, position):
    folder = shutil.copytree(two_saved, tmp_path / "run")
    flip_bit(folder / "step-00000002" / name, position)
    checkpoint, lines = newest(folder)
    assert checkpoint.step == 1
    assert len(lines) == 1
    assert f"step-00000002/{name} is damaged" in lines[0]
    with pytest.raises(UserError, match=rf"step-00000002/{name} is damaged.*copy it again"):
        checkpointing.read(str(folder / "step-00000002"))


def test_no_flipped_bit_in_any_file_stays_unnoticed(two_saved, tmp_path):
    folder = shutil.copytree(two_saved, tmp_path / "run")
    rng = np.random.default_rng(20)
    for name in rng.permutation(FILES * 12):
        path = folder / "step-00000002" / name
        whole = path.read_bytes()
        position = int(rng.integers(8 * len(whole)))
        flip_bit(path, position)
        with pytest.raises(UserError, match=f"{name} is damaged"):
            checkpointing.read(str(path.parent))
        path.write_bytes(whole)
    assert newest(folder)[0].step == 2


def test_bytes_of_state_json_that_are_no_text_are_damage(two_saved, tmp_path):
    folder = shutil.copytree(two_saved, tmp_path / "run")
    for content in (b"\xff\xfe", b"\x00" * 100, b"5", b"[]", b"{}", b'{"content": 1}'):
        (folder / "step-00000002" / STATE).write_bytes(content)
        with pytest.raises(UserError, match=r"state\.json is damaged"):
            checkpointing.read(str(folder / "step-00000002"))


def test_settings_survive_the_way_through_state_json_whatever_their_names(tmp_path):
    settings = {"2": None, "10": 1e-30, "größe": float("inf"), "list": [1, (2, 3)], "map": {9: 1}}
    state = make_state()[0]
    save_with = {"step": 1, "identity": {10: "a", 9: "b"}, "settings": settings, "num_kept": 1}
    path = checkpointing.save(str(tmp_path), state, **save_with)
    checkpoint = checkpointing.read(path)
    assert checkpoint.identity == {"10": "a", "9": "b"}
    assert checkpoint.settings == {**settings, "list": [1, [2, 3]], "map": {"9": 1}}


def test_only_checkpoints_that_are_looked_at_are_read(two_saved, tmp_path):
    folder = shutil.copytree(two_saved, tmp_path / "run")
    flip_bit(folder / "step-00000001" / DATA, 9)
    checkpoint, lines = newest(folder)
    assert checkpoint.step == 2
    assert lines == []


def test_what_it_says_of_itself_can_be_had_without_its_files(two_saved, tmp_path):
    folder = shutil.copytree(two_saved, tmp_path / "run") / "step-00000002"
    whole = checkpointing.read(str(folder))
    (folder / DATA).unlink()
    assert checkpointing.read(str(folder), checks_files=False) == whole
    flip_bit(folder / STATE, 400)
    with pytest.raises(UserError, match=r"state\.json is damaged"):
        checkpointing.read(str(folder), checks_files=False)


def test_all_is_on_disk_before_the_folder_gets_its_name_and_before_older_ones_go(
    tmp_path, monkeypatch
):
    synced = []
    fsync = os.fsync

    def note(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        there = sorted(path.name for path in tmp_path.iterdir())
        synced.append((os.path.relpath(path, tmp_path), there))
        fsync(descriptor)

    state = make_state()[0]
    save(tmp_path, state, 1)
    monkeypatch.setattr(os, "fsync", note)
    save(tmp_path, state, 2, num_kept=1)
    before = ["step-00000001", "tmp-00000002"]
    assert synced[:-1] == [
        *((f"tmp-00000002/{name}", before) for name in FILES),
        ("tmp-00000002", before),
    ]
    assert synced[-1] == (".", ["step-00000001", "step-00000002"])
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_files_elsewhere_than_on_a_local_disk_are_checked_alike():
    folder = "ram://bucket/checkpoint"
    tf.io.gfile.makedirs(folder)
    tf.io.write_file(f"{folder}/{INDEX}", "content")
    checkpoint_files.seal(folder, {"step": 3})
    assert checkpoint_files.read_sealed(folder) == {"step": 3}
    tf.io.gfile.remove(f"{folder}/{INDEX}")  # or writing appends, there
    tf.io.write_file(f"{folder}/{INDEX}", "cOntent")
    with pytest.raises(UserError, match=rf"{folder}/{INDEX} is damaged: its checksum"):
        checkpoint_files.read_sealed(folder)


def test_a_run_without_one_good_checkpoint_does_not_begin_anew_unasked(tmp_path):
    save(tmp_path, make_state()[0], 1)
    (tmp_path / "step-00000001" / "state.json").unlink()
    with pytest.raises(UserError, match=r"no checkpoint in .* can be used"):
        newest(tmp_path)


def test_a_damaged_later_checkpoint_does_not_push_out_good_ones(tmp_path):
    state = make_state()[0]
    save(tmp_path, state, 5)
    (tmp_path / "step-00000005" / "state.json").unlink()
    save(tmp_path, state, 2, num_kept=1)
    assert newest(tmp_path)[0].step == 2


def test_what_was_being_written_when_the_power_went_is_not_seen_and_is_replaced(tmp_path):
    leftover = tmp_path / "tmp-00000003"
    leftover.mkdir()
    (leftover / "variables.index").write_text("half")
    assert newest(tmp_path) == (None, [])
    save(tmp_path, make_state()[0], 4)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]


PASSING = [
    tf.errors.PermissionDeniedError(None, None, "F; Permission denied"),
    tf.errors.UnavailableError(None, None, "F; Connection refused"),
    tf.errors.ResourceExhaustedError(None, None, "F; Too many open files"),
    tf.errors.AbortedError(None, None, "F; Stale file handle"),
    tf.errors.UnknownError(None, None, "F; Input/output error"),
]


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize(
    ("call", "path"),
    [
        *(("GFile", name) for name in FILES),
        *(("stat", name) for name in (DATA, INDEX)),
        ("stat", ""),
    ],
)
def test_a_checkpoint_that_cannot_be_read_for_now_is_not_passed_over(
    two_saved, monkeypatch, error, call, path
):
    real = getattr(tf.io.gfile, call)

    def fail_there(asked, *arguments):
        if asked.endswith(os.path.join("step-00000002", path).rstrip("/")):
            raise error
        return real(asked, *arguments)

    monkeypatch.setattr(tf.io.gfile, call, fail_there)
    with pytest.raises(UserError, match=rf"cannot be read \({error.message}\)"):
        newest(two_saved)
