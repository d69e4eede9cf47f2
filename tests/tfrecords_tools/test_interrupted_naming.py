"""Runs that are stopped while their finished files get their final names."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import pretraining_dataset, records
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
NUM_FILES = 5  # three train shards, a heldout one, the info
RESUMED = "named the files of a run that was stopped"


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that runs with settings and stops at the n-th naming, before or after it."""

    def run(settings: DatasetSettings, call: int, *, after: bool = False) -> None:
        publish, calls = records.publish, []

        def stopped(path: str) -> None:
            calls.append(path)
            is_last = len(calls) == call
            if after or not is_last:
                publish(path)
            if is_last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(records, "publish", stopped)
            with pytest.raises(KeyboardInterrupt):
                pretraining_dataset.create(settings)

    return run


@pytest.fixture
def undisturbed(make_settings: MakeSettings, tmp_path: Path) -> dict[str, bytes]:
    """The files of a run that nothing stops."""
    settings = make_settings(output_dir=str(tmp_path / "undisturbed"))
    pretraining_dataset.create(settings)
    return contents(settings.output_dir)


@pytest.mark.parametrize("after", [False, True])
def test_the_next_run_ends_the_naming_wherever_it_was_stopped(
    make_settings: MakeSettings,
    stop_at: Callable[..., None],
    undisturbed: dict[str, bytes],
    after: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    assert len(undisturbed) == NUM_FILES
    for call in range(1, NUM_FILES + 1):
        settings = make_settings(output_dir=str(tmp_path / f"stopped_{call}"))
        stop_at(settings, call, after=after)
        capsys.readouterr()
        (info,) = pretraining_dataset.create(settings)
        is_finished = after and call == NUM_FILES
        assert ("nothing to do" if is_finished else RESUMED) in capsys.readouterr().out
        assert contents(settings.output_dir) == undisturbed
        assert info.to_json().encode() == undisturbed["dataset_info.json"]


@pytest.mark.parametrize(
    "damaged", ["train-00000-of-00003.tfrecord", "train-00002-of-00003.tfrecord.partial"]
)
@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_damaged_shard_makes_the_next_run_start_anew(
    make_settings: MakeSettings,
    stop_at: Callable[..., None],
    undisturbed: dict[str, bytes],
    damaged: str,
    is_deleted: bool,
    capsys: pytest.CaptureFixture[str],
):
    settings = make_settings()
    stop_at(settings, 2 + 1)
    path = Path(settings.output_dir) / damaged
    content = path.read_bytes()
    path.unlink()
    if not is_deleted:
        path.write_bytes(content[:-1])
    capsys.readouterr()
    pretraining_dataset.create(settings)
    assert RESUMED not in capsys.readouterr().out
    assert contents(settings.output_dir) == undisturbed


@pytest.mark.parametrize("name", ["train-00002-of-00003.tfrecord", "train-00000-of-00009.tfrecord"])
def test_a_file_that_came_there_since_is_not_replaced(
    make_settings: MakeSettings,
    stop_at: Callable[..., None],
    undisturbed: dict[str, bytes],
    name: str,
):
    settings = make_settings()
    stop_at(settings, 3)
    path = Path(settings.output_dir) / name
    path.write_text("precious")
    before = contents(settings.output_dir)
    with pytest.raises(UserError, match=f"{name} (came there while|and 0 more)"):
        pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == before
    path.unlink()
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == undisturbed


def test_other_settings_are_refused_and_what_was_finished_stays(
    make_settings: MakeSettings, stop_at: Callable[..., None], undisturbed: dict[str, bytes]
):
    settings = make_settings()
    stop_at(settings, 3)
    before = contents(settings.output_dir)
    with pytest.raises(UserError, match="num_shards = 3, but 2 is asked for"):
        pretraining_dataset.create(make_settings(num_shards=2))
    assert contents(settings.output_dir) == before
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == undisturbed


def test_other_settings_start_anew_without_the_work_and_leave_other_files_alone(
    make_settings: MakeSettings, stop_at: Callable[..., None], tmp_path: Path
):
    alone = make_settings(output_dir=str(tmp_path / "alone"), num_shards=2)
    pretraining_dataset.create(alone)
    settings = make_settings(num_shards=2)
    stop_at(make_settings(), 3)
    (Path(settings.output_dir) / "notes.txt").write_text("precious")
    shutil.rmtree(settings.work_folder)  # as the message says
    pretraining_dataset.create(settings)
    expected = contents(alone.output_dir) | {"notes.txt": b"precious"}
    assert contents(settings.output_dir) == expected


def test_a_stray_shard_beside_those_of_a_stopped_run_is_refused_before_any_is_removed(
    make_settings: MakeSettings, stop_at: Callable[..., None]
):
    settings = make_settings()
    stop_at(settings, 3)
    shutil.rmtree(settings.work_folder)  # or the other settings are refused
    (Path(settings.output_dir) / "other.tfrecord").write_bytes(b"precious")
    before = contents(settings.output_dir)
    with pytest.raises(UserError, match=r"holds other\.tfrecord and 0 more"):
        pretraining_dataset.create(make_settings(num_shards=2))
    assert contents(settings.output_dir) == before


@pytest.mark.parametrize("torn", ["", '{"format_version": 1, "spl'])
def test_a_run_stopped_while_writing_the_info_starts_anew(
    make_settings: MakeSettings,
    stop_at: Callable[..., None],
    undisturbed: dict[str, bytes],
    torn: str,
):
    settings = make_settings()
    stop_at(settings, 1)
    (Path(settings.output_dir) / "dataset_info.json.partial").write_text(torn)
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == undisturbed


def test_preparing_leaves_no_old_info_behind(
    make_settings: MakeSettings,
    stop_at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
):
    stop_at(make_settings(), 3)
    settings = make_settings()
    (Path(settings.output_dir) / "train-00000-of-00003.tfrecord").write_bytes(b"torn")
    monkeypatch.setattr(pretraining_dataset, "_tokenize", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pretraining_dataset.create(settings)
    left = {path.name for path in Path(settings.output_dir).iterdir()}
    assert left == {
        "_work",
        "train-00002-of-00003.tfrecord.partial",  # finished, and used again
        "heldout-00000-of-00001.tfrecord.partial",
    }


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
