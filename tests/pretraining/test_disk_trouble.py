"""Disks that fill up, folders that take no files and shards that go away while a run trains."""

import errno
import os
import resource
from pathlib import Path

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.pretraining import training
from mslt_tf.training import checkpointing
from tests import process_family, process_groups, small_disks, tiny
from tests.pretraining import quick_runs
from tests.saved_weights import assert_bit_identical

# Eight shards of one batch each: every eight steps read all of them again. There are more steps
# than the first checkpoint's and what is read ahead, or a shard might not be missed.
FLAGS = {
    **tiny.FLAGS,
    "method": "original",
    "num_hidden_layers": 1,
    "num_train_steps": 120,
    "checkpoint_steps": 20,
    "log_steps": 20,
}
pytestmark = pytest.mark.usefixtures("quick_export")

FILE_BYTES = 4_000  # more than a run writes into one file, but for a checkpoint's variables


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny.write_random_shards(tmp_path_factory.mktemp("records"), sizes=(8,) * 8)


@pytest.fixture(scope="module")
def undisturbed(records, quick_export, tmp_path_factory):
    """The weights at the end of a run without trouble."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert pretrain(folder, records) == 0
    return newest(folder)[1]


def pretrain(folder, records):
    flags = {**FLAGS, "train_records": records, "output_dir": folder}
    return training.pretrain(tiny.config_from(flags))


def newest(folder):
    """Returns step and weights of the newest checkpoint; none may be damaged."""
    lines = []
    checkpoint = checkpointing.newest(str(folder / "checkpoints"), report=lines.append)
    assert lines == []
    return checkpoint.step, checkpointing.read_weights(checkpoint)


def assert_ends_undisturbed(folder, records, undisturbed):
    assert pretrain(folder, records) == 0
    step, weights = newest(folder)
    assert step == 120
    assert_bit_identical(weights, undisturbed)


@pytest.fixture
def after_step_20(monkeypatch):
    """Takes a function that is called once the checkpoint of step 20 is on disk."""

    def arrange(trouble):
        save = checkpointing.save

        def save_then_trouble(*arguments, step, **options):
            path = save(*arguments, step=step, **options)
            if step == 20:
                trouble()
            return path

        monkeypatch.setattr(checkpointing, "save", save_then_trouble)

    return arrange


@pytest.fixture
def limit_file_size():
    """A function that makes files above `FILE_BYTES` fail, and one that ends that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def end():
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, before[1])), end
    end()


@pytest.fixture
def small_disk(tmp_path):
    """The folder of a disk of its own."""
    with small_disks.mounted(tmp_path / "disk") as disk:
        yield disk


@pytest.mark.slow
def test_a_checkpoint_that_may_not_grow_is_told_and_more_room_is_enough(
    records, undisturbed, tmp_path, after_step_20, limit_file_size
):
    limit, end_limit = limit_file_size
    after_step_20(limit)
    folder = tmp_path / "checkpoints"
    message = rf"^the checkpoint of step 40 could not be written to {folder} .*Make room\. .*again"
    with pytest.raises(UserError, match=message):
        pretrain(tmp_path, records)
    assert newest(tmp_path)[0] == 20
    end_limit()
    assert_ends_undisturbed(tmp_path, records, undisturbed)


def test_a_disk_that_is_full_anywhere_in_a_checkpoint_leaves_the_one_before(small_disk):
    """The disk grows page by page; each time, a checkpoint needs more than there is."""
    state = tf.train.Checkpoint(weights=tf.Variable(tf.range(9_000)), step=tf.Variable(1))
    folder = str(small_disk / "checkpoints")
    options = {"identity": {"text": "x" * 9_000}, "settings": {}, "num_kept": 1}
    small_disks.remount(small_disk, "size=1m")
    checkpointing.save(folder, state, step=1, **options)
    used = sum(path.stat().st_blocks for path in small_disk.rglob("*")) * 512 // 4096
    messages = []
    for pages in range(used, 200):
        small_disks.remount(small_disk, f"size={4 * pages}k")
        try:
            checkpointing.save(folder, state, step=2, **options)
            break
        except (tf.errors.OpError, OSError) as error:
            messages.append(str(error))
            assert checkpointing.newest(folder, report=pytest.fail).step == 1
    assert checkpointing.newest(folder, report=pytest.fail).step == 2
    assert len(messages) > 8
    assert all("No space left on device" in message for message in messages)


def test_a_checkpoint_folder_that_turns_read_only_is_told(records, small_disk, after_step_20):
    # Only the checkpoints: a disk with the open file of TensorBoard's events cannot be remounted.
    checkpoints = small_disk / "checkpoints"
    small_disks.remount(small_disk, "size=1m")
    output_dir = small_disk.parent / "run"
    output_dir.mkdir()
    (output_dir / "checkpoints").symlink_to(checkpoints)
    checkpoints.mkdir()
    after_step_20(lambda: small_disks.remount(small_disk, "ro"))
    with pytest.raises(UserError, match=r"checkpoint of step 40 .*Read-only file system"):
        pretrain(output_dir, records)
    assert newest(output_dir)[0] == 20


def test_a_checkpoint_folder_that_a_file_takes_the_place_of_is_told(
    records, tmp_path, after_step_20
):
    """As root sees no folder as read-only, this stands for one where nothing can be mounted."""
    checkpoints, aside = tmp_path / "checkpoints", tmp_path / "aside"

    def replace_with_file():
        checkpoints.rename(aside)
        checkpoints.write_text("")

    after_step_20(replace_with_file)
    message = rf"checkpoint of step 40 could not be written to {checkpoints} .*not a directory\)"
    with pytest.raises(UserError, match=message):
        pretrain(tmp_path, records)
    checkpoints.unlink()
    aside.rename(checkpoints)
    assert newest(tmp_path)[0] == 20


@pytest.mark.slow
def test_a_shard_that_goes_away_is_named_and_back_in_its_place_it_serves_as_before(
    records, undisturbed, tmp_path, after_step_20
):
    shard = Path(records).parent / "part-3.tfrecord"
    aside = tmp_path / "aside"
    after_step_20(lambda: shard.rename(aside))
    try:
        with pytest.raises(UserError, match=rf"^{shard} is gone\. Put it back and start again"):
            pretrain(tmp_path, records)
        assert 20 <= newest(tmp_path)[0] < 120
        with pytest.raises(UserError, match=r"another run \(.*: part-3"):  # not without it, either
            pretrain(tmp_path, records)
    finally:
        aside.rename(shard)
    assert_ends_undisturbed(tmp_path, records, undisturbed)


def test_metrics_that_do_not_fit_the_disk_are_told(records, tmp_path, after_step_20):
    metrics = tmp_path / "metrics.jsonl"

    def fill_disk():
        metrics.unlink(missing_ok=True)
        metrics.symlink_to("/dev/full")

    after_step_20(fill_disk)
    with pytest.raises(UserError, match=rf"{metrics}.* No space left on device.*tart again"):
        pretrain(tmp_path, records)
    assert newest(tmp_path)[0] >= 20


def test_a_disk_that_is_full_before_the_first_step_is_told(records, small_disk):
    """The disk grows page by page, until a run can begin."""
    settings = {**FLAGS, "train_records": records, "output_dir": small_disk / "run"}
    messages = []
    for pages in range(1, 40):
        small_disks.remount(small_disk, f"size={4 * pages}k")
        try:
            tiny.open_run(tiny.config_from(settings))
            break
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 2
    for message in messages:
        assert "No space left on device" in message
        assert "ake room" in message
        assert "\n" not in message


def test_a_disk_that_says_it_is_full_only_when_files_must_reach_it_is_told(
    records, tmp_path, after_step_20, monkeypatch
):
    def refuse(descriptor):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    after_step_20(lambda: monkeypatch.setattr(os, "fsync", refuse))
    with pytest.raises(UserError, match=r"checkpoint of step 40 .*Disk quota exceeded"):
        pretrain(tmp_path, records)
    assert newest(tmp_path)[0] == 20


def test_metrics_that_may_not_grow_are_told(records, tmp_path, after_step_20, limit_file_size):
    metrics = tmp_path / "metrics.jsonl"

    def fill_file():
        metrics.write_text("\n" * FILE_BYTES)
        limit()

    limit, end_limit = limit_file_size
    after_step_20(fill_file)
    with pytest.raises(UserError, match=rf"{metrics}.* File too large.*tart again"):
        pretrain(tmp_path, records)
    end_limit()
    assert newest(tmp_path)[0] == 20


@pytest.mark.slow
def test_the_command_ends_with_status_2_on_a_full_disk_and_goes_on_once_there_is_room(
    records, tmp_path
):
    # So many steps that the limit comes in their midst.
    changes = {"train_records": records, "num_train_steps": 400, "log_steps": 10_000}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    flags = {**FLAGS, **changes}
    assert training.pretrain(tiny.config_from({**flags, "output_dir": whole})) == 0
    arguments = [f"--{name}={value}" for name, value in {**flags, "output_dir": broken}.items()]
    line = last_words_on_a_full_disk(arguments, broken, tmp_path)
    assert line.startswith("error: the checkpoint of step ")
    assert str(broken / "checkpoints") in line
    step, _ = newest(broken)
    assert 20 <= step < 400
    assert f"of step {step + 20} could not" in line
    process_family.finish(arguments, tmp_path / "again.txt", prepare=quick_runs.replace_export)
    step, weights = newest(broken)
    assert step == 400
    assert_bit_identical(weights, newest(whole)[1])


def last_words_on_a_full_disk(arguments, folder, tmp_path):
    """Runs the command; the disk is full from step 20 on. Returns its one line of errors."""
    errors = tmp_path / "errors.txt"
    process = process_family.start(arguments, tmp_path / "output.txt", errors=errors)
    checkpoint = folder / "checkpoints" / "step-00000020"
    process_groups.wait_until(lambda: checkpoint.exists() or not process.is_alive(), timeout=240)
    assert process.is_alive(), errors.read_text()
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    process.join(timeout=120)
    assert process.exitcode == 2
    (line,) = errors.read_text().splitlines()
    return line
