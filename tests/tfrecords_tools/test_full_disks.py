"""Disks that fill up while records are made, and folders that take no files."""

import dataclasses
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.errors import UserError
from tests import small_disks
from tests.tfrecords_tools.conftest import RECIPE
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import (
    dataset_tasks,
    estimation,
    pretraining_dataset,
    shuffled_pairs,
    work_folder,
)
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]


def refuse_work(*_: object, **__: object) -> None:
    raise AssertionError("finished work is done again")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_leaves_finished_work(
    make_settings: MakeSettings, code: int, monkeypatch: pytest.MonkeyPatch
):
    settings = make_settings()

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code), "pairs.npy")

    with monkeypatch.context() as patch:
        patch.setattr(dataset_tasks.shuffled_pairs, "write_portion", fail)
        with pytest.raises(UserError, match=r"written \(pairs.npy; .*Make room\. .* kept\."):
            pretraining_dataset.create(settings)
    monkeypatch.setattr(dataset_tasks, "_tokenize", refuse_work)
    pretraining_dataset.create(settings)


def test_a_full_disk_at_a_shard_is_told_and_leaves_the_others(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = make_settings(output_dir=str(tmp_path / "whole"))
    pretraining_dataset.create(whole)
    settings = make_settings()
    with monkeypatch.context() as patch:
        patch.setattr(dataset_tasks, "write_shard", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pretraining_dataset.create(settings)
    full = Path(settings.output_dir) / "train-00001-of-00003.tfrecord.partial"
    full.symlink_to("/dev/full")
    message = r"train-00001-of-00003\.tfrecord\.partial cannot be written \(.*Make room"
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(settings)
    first = full.parent / "train-00000-of-00003.tfrecord.partial"
    time = first.stat().st_mtime_ns
    full.unlink()
    pretraining_dataset.create(settings)
    assert (full.parent / "train-00000-of-00003.tfrecord").stat().st_mtime_ns == time
    assert contents(settings.output_dir) == contents(whole.output_dir)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a disk of its own."""
    with small_disks.mounted(tmp_path / "disk") as disk:
        yield disk


def test_a_disk_that_is_full_anywhere_is_told_in_one_line_and_more_room_is_enough(
    make_settings: MakeSettings,
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The disk grows page by page, and each run goes on with the work of the one before."""
    monkeypatch.setattr(estimation, "say_estimate", lambda *_: None)
    whole = make_settings(output_dir=str(tmp_path / "whole"))
    pretraining_dataset.create(whole)
    settings = make_settings(output_dir=str(small_disk / "records"))
    messages = []
    for pages in range(2, 300, 2):
        small_disks.remount(small_disk, f"size={4 * pages}k")
        try:
            pretraining_dataset.create(settings)
            break
        except UserError as error:
            messages.append(str(error))
    assert contents(settings.output_dir) == contents(whole.output_dir)
    assert len(messages) > 10
    for message in messages:
        assert "No space left on device" in message
        assert "Make room." in message
        assert "\n" not in message


def test_a_folder_that_takes_no_files_is_told(make_settings: MakeSettings, small_disk: Path):
    small_disks.remount(small_disk, "ro,size=1m")
    for places in (
        {"output_dir": str(small_disk / "records")},
        {"work_dir": str(small_disk / "work")},
    ):
        with pytest.raises(UserError, match=r"Read-only file system.*[gG]ive (an)?o") as raised:
            pretraining_dataset.create(make_settings(**places))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("num_records", [450, 900, 3_000])
def test_a_portion_that_does_not_fit_is_told_like_any_file(small_disk: Path, num_records: int):
    small_disks.remount(small_disk, "size=16k")
    pairs = np.zeros(num_records, PAIR_DTYPE)
    with (
        pytest.raises(UserError, match=r"cannot be written \(No space left .* Make room\. .* run"),
        work_folder.writing(str(small_disk)),
    ):
        shuffled_pairs.write_portion(str(small_disk / "portion"), pairs)


def test_a_finished_folder_needs_no_rights_to_write(
    make_settings: MakeSettings, small_disk: Path, capsys: pytest.CaptureFixture[str]
):
    """No lock is taken where nothing is to be done."""
    small_disks.remount(small_disk, "size=10m")
    settings = make_settings(output_dir=str(small_disk / "records"))
    pretraining_dataset.create(settings)
    small_disks.remount(small_disk, "ro")
    capsys.readouterr()
    assert pretraining_dataset.create(settings)
    assert capsys.readouterr().out.endswith("holds these records already; nothing to do.\n")
    longer = dataclasses.replace(RECIPE, max_seq_length=64)
    with pytest.raises(UserError, match="Read-only file system"):
        pretraining_dataset.create(make_settings(recipe=longer, output_dir=str(small_disk / "new")))
