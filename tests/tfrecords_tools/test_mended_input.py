"""Who mends what was refused runs the same command again, and is not refused for it."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from tests.tfrecords_tools.numbered_text import document_text
from tests.tfrecords_tools.record_reading import contents
from tests.tfrecords_tools.small_tasks import refuse_work
from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
NO_UTF_8 = b"d7w0 \xff d7w2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of six texts, each of which is a piece."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for index in range(6):
        (folder / f"{index}.txt").write_text(document_text(index))
    return folder


@pytest.fixture
def refused(folder: Path, make_settings: MakeSettings) -> DatasetSettings:
    """Settings of a run that has finished five pieces, and refused the last one."""
    (folder / "5.txt").write_bytes(NO_UTF_8)
    settings = make_settings(input=folder)
    with pytest.raises(UserError, match=r"5\.txt.*UTF-8"):
        pretraining_dataset.create(settings)
    assert len(list(Path(settings.work_folder).glob("piece-*.json"))) == 5
    return settings


def records_of_a_new_run(make_settings: MakeSettings, folder: Path, **changes: object) -> object:
    settings = make_settings(input=folder, output_dir=str(folder.parent / "whole"), **changes)
    pretraining_dataset.create(settings)
    return {n: c for n, c in contents(settings.output_dir).items() if n.endswith(".tfrecord")}


def records_in(settings: DatasetSettings) -> object:
    return {n: c for n, c in contents(settings.output_dir).items() if n.endswith(".tfrecord")}


def test_an_archive_that_is_unpacked_as_advised(folder: Path, make_settings: MakeSettings):
    with tarfile.open(folder / "t.tar", "w") as archive:
        for path in folder.glob("[01].txt"):
            archive.add(path, path.name)
            path.unlink()
    settings = make_settings(input=folder)
    with pytest.raises(UserError, match=r"t\.tar is a tar archive"):
        pretraining_dataset.create(settings)
    assert not Path(settings.work_folder).exists()
    with tarfile.open(folder / "t.tar") as archive:
        archive.extractall(folder)
    (folder / "t.tar").unlink()
    pretraining_dataset.create(settings)
    assert records_in(settings) == records_of_a_new_run(make_settings, folder)


def test_a_run_that_was_killed_before_it_finished_anything(
    folder: Path, make_settings: MakeSettings, stop_in: Callable[..., None]
):
    settings = make_settings(input=folder)
    stop_in(settings, "tokenize_piece")
    assert (Path(settings.work_folder) / "settings.json").exists()
    (folder / "6.txt").write_text(document_text(6))
    pretraining_dataset.create(settings)
    assert records_in(settings) == records_of_a_new_run(make_settings, folder)


@pytest.mark.parametrize("mended", [b"d7w0 d7w1 d7w2", NO_UTF_8.replace(b"\xff", b"x")])
def test_text_that_is_mended_begins_the_work_anew(
    folder: Path,
    refused: DatasetSettings,
    make_settings: MakeSettings,
    mended: bytes,
    capsys: pytest.CaptureFixture[str],
):
    """Also where the size tells nothing; a piece that was finished was edited too."""
    (folder / "5.txt").write_bytes(mended)
    first = (folder / "0.txt").read_text()
    (folder / "0.txt").write_text(first.replace("d0w7 ", "d0w8 "))
    pretraining_dataset.create(refused)
    said = capsys.readouterr().out
    assert f"the unfinished work in {refused.work_folder} ended at a mistake and " in said
    assert "The work begins anew." in said
    assert records_in(refused) == records_of_a_new_run(make_settings, folder)


def test_other_settings_begin_the_work_anew(
    folder: Path, refused: DatasetSettings, make_settings: MakeSettings
):
    (folder / "5.txt").unlink()
    changed = make_settings(input=folder, num_shards=2)
    pretraining_dataset.create(changed)
    assert records_in(changed) == records_of_a_new_run(make_settings, folder, num_shards=2)


def test_skipping_what_was_refused_keeps_what_was_finished(
    folder: Path,
    refused: DatasetSettings,
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
):
    tokenized = []
    tokenize = dataset_tasks._tokenize

    def noting(task: dataset_tasks.PieceTask, advance: Callable[[int], None]) -> object:
        tokenized.append(Path(task.piece.path).name)
        return tokenize(task, advance)

    with monkeypatch.context() as patch:
        patch.setattr(dataset_tasks, "_tokenize", noting)
        skipping = make_settings(input=folder, on_error="skip")
        pretraining_dataset.create(skipping)
    assert tokenized == ["5.txt"]
    assert records_in(skipping) == records_of_a_new_run(make_settings, folder, on_error="skip")


def test_the_same_command_goes_on_and_refuses_again(
    refused: DatasetSettings, monkeypatch: pytest.MonkeyPatch
):
    work = Path(refused.work_folder)
    before = {path: path.stat().st_mtime_ns for path in work.glob("piece-*.json")}
    with pytest.raises(UserError, match=r"5\.txt.*UTF-8"):
        pretraining_dataset.create(refused)
    assert before == {path: path.stat().st_mtime_ns for path in work.glob("piece-*.json")}


def test_finished_work_that_nobody_refused_is_not_removed_for_another_text(
    folder: Path,
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    settings = make_settings(input=folder)
    stop_in(settings, "make_portion")
    before = contents(settings.output_dir)
    (folder / "6.txt").write_text(document_text(6))
    with pytest.raises(UserError, match="holds unfinished work with input_bytes = "):
        pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == before
    (folder / "6.txt").unlink()
    monkeypatch.setattr(dataset_tasks, "_tokenize", refuse_work)
    pretraining_dataset.create(settings)


@pytest.mark.parametrize("change", ["renamed", "edited"])
def test_a_piece_whose_text_changed_is_done_again(
    folder: Path,
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    change: str,
):
    """Number and bytes of the files are what they were."""
    settings = make_settings(input=folder)
    stop_in(settings, "tokenize_piece", 4)
    assert len(list(Path(settings.work_folder).glob("piece-*.json"))) == 3
    first = folder / "0.txt"
    if change == "renamed":
        first.rename(folder / "9.txt")  # all others move up by one
    else:
        first.write_text(first.read_text().replace("d0w7 ", "d0w8 "))
    pretraining_dataset.create(settings)
    assert "is another text than" in capsys.readouterr().out
    assert records_in(settings) == records_of_a_new_run(make_settings, folder)


def test_text_that_changed_after_all_was_tokenised_is_refused_until_it_is_put_back(
    folder: Path,
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    settings = make_settings(input=folder)
    stop_in(settings, "make_portion")
    first, times = folder / "0.txt", (folder / "0.txt").stat()
    content = first.read_text()
    first.write_text(content.replace("d0w7 ", "d0w8 "))
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"0\.txt is not what it was, by its name, size or time"
        ):
            pretraining_dataset.create(settings)
    first.write_text(content)
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))
    with monkeypatch.context() as patch:
        patch.setattr(dataset_tasks, "_tokenize", refuse_work)
        pretraining_dataset.create(settings)
    assert records_in(settings) == records_of_a_new_run(make_settings, folder)


def test_work_of_a_version_that_did_not_note_the_text_goes_on(
    folder: Path,
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    """Whatever is tokenised again raises."""
    settings = make_settings(input=folder)
    stop_in(settings, "make_portion")
    for path in Path(settings.work_folder).glob("piece-*.json"):
        result = json.loads(path.read_text())
        del result["source"]
        path.write_text(json.dumps(result))
    monkeypatch.setattr(dataset_tasks, "_tokenize", refuse_work)
    (info,) = pretraining_dataset.create(settings)
    assert sum(shard.num_records for shard in info.splits["train"]) > 0


def test_what_goes_on_after_a_refusal_and_is_stopped_is_finished_work_again(
    folder: Path,
    refused: DatasetSettings,
    make_settings: MakeSettings,
    stop_in: Callable[..., None],
):
    """So a wrong flag does not remove it."""
    skipping = make_settings(input=folder, on_error="skip")
    stop_in(skipping, "make_portion")
    with pytest.raises(UserError, match="holds unfinished work with num_shards = 3, but 2 is"):
        pretraining_dataset.create(make_settings(input=folder, on_error="skip", num_shards=2))
    pretraining_dataset.create(skipping)


def test_a_full_disk_is_no_mistake_of_the_text(
    folder: Path, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    """Another text is refused afterwards, as after a kill: the work may have taken hours."""
    settings = make_settings(input=folder)
    with monkeypatch.context() as patch:
        patch.setattr(dataset_tasks.records, "write_partial_shard", fill_disk)
        with pytest.raises(UserError, match="No space left on device"):
            pretraining_dataset.create(settings)
    with pytest.raises(UserError, match="holds unfinished work with num_shards"):
        pretraining_dataset.create(make_settings(input=folder, num_shards=2))


def fill_disk(folder: str, name: str, **_: object) -> None:
    with file_errors.writing(f"{folder}/{name}"):
        raise OSError(28, "No space left on device")
