"""What happens to a folder that records are to go into."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.dataset_info import DatasetInfo, Shard
from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]


def file_names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_a_finished_folder_is_left_as_it_is(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    (first,) = pretraining_dataset.create(settings)
    times = {path: path.stat().st_mtime_ns for path in Path(settings.output_dir).iterdir()}
    capsys.readouterr()
    assert pretraining_dataset.create(settings)[0].to_json() == first.to_json()
    assert capsys.readouterr().out.endswith("holds these records already; nothing to do.\n")
    assert times == {path: path.stat().st_mtime_ns for path in Path(settings.output_dir).iterdir()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_shards": 2}, "with num_shards = 3, but 2 is asked for"),
        ({"do_lower_case": False}, "with do_lower_case = True, but False is asked for"),
        ({"recipe": Recipe(max_seq_length=32)}, "with dupe_factor = 2, but 10 is asked for"),
    ],
)
def test_a_folder_with_other_settings_is_refused_by_name(
    make_settings: MakeSettings, change: dict[str, object], message: str
):
    pretraining_dataset.create(make_settings())
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(make_settings(**change))


def test_a_folder_made_with_another_vocabulary_or_text_is_refused(make_settings: MakeSettings):
    settings = make_settings()
    pretraining_dataset.create(settings)
    for path, message in (
        (settings.vocab_file, "vocab_sha256 = "),
        (settings.text.input, "input_bytes"),
    ):
        before = Path(path).read_text()
        Path(path).write_text(before + "another\n")
        with pytest.raises(UserError, match=message):
            pretraining_dataset.create(settings)
        Path(path).write_text(before)


@pytest.mark.parametrize("name", ["train-00001-of-00003", "heldout-00000-of-00001"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_finished_folder_with_a_damaged_shard_is_refused(
    make_settings: MakeSettings, name: str, is_deleted: bool
):
    settings = make_settings()
    pretraining_dataset.create(settings)
    path = Path(settings.output_dir) / f"{name}.tfrecord"
    content = path.read_bytes()
    path.unlink()
    if not is_deleted:
        path.write_bytes(content[:-1])
    found = "it is not there" if is_deleted else f"it has {len(content) - 1:,} bytes"
    message = f"shard {name}.tfrecord is missing or cut off: {found} .* Remove train-"
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(settings)


def test_a_run_that_breaks_off_leaves_nothing_that_looks_finished(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    settings = make_settings()
    with monkeypatch.context() as patch:
        calls = []

        def fail_later(*args: object, **kwargs: object) -> masking.Features:
            calls.append(args)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return make_features(*args, **kwargs)

        make_features = masking.make_features
        patch.setattr(masking, "make_features", fail_later)
        with pytest.raises(KeyboardInterrupt):
            pretraining_dataset.create(settings)
    left = set(file_names(settings.output_dir)) - {"_work"}
    assert left
    assert all(name.endswith(".partial") for name in left)
    shutil.rmtree(settings.work_folder)  # or other settings are refused
    pretraining_dataset.create(make_settings(num_shards=2))
    assert file_names(settings.output_dir) == [
        "dataset_info.json",
        "heldout-00000-of-00001.tfrecord",
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]


def test_records_that_no_info_explains_are_not_touched(make_settings: MakeSettings):
    settings = make_settings()
    stray = Path(settings.output_dir) / "train-00000-of-00003.tfrecord"
    stray.parent.mkdir()
    stray.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"train-00000-of-00003.tfrecord .* no dataset_info\.json"):
        pretraining_dataset.create(settings)
    assert stray.read_bytes() == b"precious"


FOREIGN = [
    "notes.tfrecord.partial",
    "train-1.tfrecord.partial",
    "train-00000-of-00003.tfrecord.old.partial",
    "train-00000-of-00003.tfrecord.0a1b.partial",
    "dataset_info.json.partial.txt",
]


def test_what_a_stopped_run_left_goes_by_its_exact_names_only(make_settings: MakeSettings):
    settings = make_settings()
    folder = Path(settings.output_dir)
    folder.mkdir()
    for name in FOREIGN:
        (folder / name).write_text("precious")
    of_beam = f"train-00000-of-00009.tfrecord.{'0a' * 16}.partial"
    for name in ("train-00008-of-00009.tfrecord.partial", of_beam):
        (folder / name).write_text("half a shard")
    # Whoever wrote this names files that no run does.
    info = DatasetInfo(32, 5, 9, "", "", splits={"train": (Shard("thesis.txt", 1, num_bytes=1),)})
    (folder / "dataset_info.json.partial").write_text(info.to_json())
    (folder / "thesis.txt").write_text("precious")
    pretraining_dataset.create(settings)
    for name in [*FOREIGN, "thesis.txt"]:
        assert (folder / name).read_text() == "precious"
    assert len(file_names(settings.output_dir)) == 5 + len(FOREIGN) + 1


@pytest.mark.parametrize("name", ["train-00001-of-00003.tfrecord", "dataset_info.json"])
def test_records_that_come_while_a_run_works_are_not_replaced(
    make_settings: MakeSettings, name: str, monkeypatch: pytest.MonkeyPatch
):
    settings = make_settings()
    path = Path(settings.output_dir) / name
    with monkeypatch.context() as patch:
        make_info = pretraining_dataset.dataset_summary.make_info

        def copy_records(*args: object, **kwargs: object) -> DatasetInfo:
            path.write_text("precious")
            return make_info(*args, **kwargs)

        patch.setattr(pretraining_dataset.dataset_summary, "make_info", copy_records)
        with pytest.raises(UserError, match=f"{name}"):
            pretraining_dataset.create(settings)
    assert path.read_text() == "precious"
    path.unlink()
    pretraining_dataset.create(settings)  # as the message says
    assert len(file_names(settings.output_dir)) == 5


def test_a_folder_that_another_process_took_over_is_not_published_to(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    """As on a shared disk, after this machine slept."""
    settings = make_settings()
    path = Path(settings.output_dir) / folder_lock.LOCK_FILE
    make_info = pretraining_dataset.dataset_summary.make_info

    def lose_lock(*args: object, **kwargs: object) -> DatasetInfo:
        path.write_text(
            json.dumps(json.loads(path.read_text()) | {"host": "elsewhere", "token": ""})
        )
        return make_info(*args, **kwargs)

    monkeypatch.setattr(pretraining_dataset.dataset_summary, "make_info", lose_lock)
    with pytest.raises(UserError, match=r"records was taken over by .* on elsewhere"):
        pretraining_dataset.create(settings)
    assert not list(Path(settings.output_dir).glob("*.tfrecord"))


def test_a_file_in_place_of_the_folder_is_refused(make_settings: MakeSettings, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--output_dir .*file cannot be written"):
        pretraining_dataset.create(make_settings(output_dir=str(tmp_path / "file")))
