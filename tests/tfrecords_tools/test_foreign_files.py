"""Files of other people in and around the folders of a run: none is removed or replaced."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import removal
from tests.tfrecords_tools.record_reading import contents
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset, work_folder
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
StopIn = Callable[..., None]


@pytest.fixture(params=["given", "default"])
def settings(request: pytest.FixtureRequest, make_settings: MakeSettings, tmp_path: Path):
    """With a work folder of its own, or with the one in the output folder."""
    return make_settings(work_dir=str(tmp_path / "work") if request.param == "given" else "")


def write(folder: str | Path, *names: str) -> None:
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"precious {name}")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["thesis.txt"], "thesis.txt,"),
        (["settings.json"], "settings.json,"),
        (["a", "piece-000000/tokens", "tokens/facts.json"], "a and 2 more,"),
        (["lock"], "lock,"),  # one with text in it
        (["tokens/thesis.txt"], "tokens,"),
    ],
)
def test_a_folder_with_something_in_it_is_no_work_folder(
    settings: DatasetSettings, names: list[str], shown: str, tmp_path: Path
):
    write(settings.work_folder, *names)
    before = contents(tmp_path)
    folders = sorted(path for path in tmp_path.rglob("*") if path.is_dir())
    message = f"work folder {settings.work_folder} holds {shown} not written by this program.*empty"
    with pytest.raises(UserError, match=message):
        pretraining_dataset.create(settings)
    assert contents(tmp_path) == before
    assert folders == sorted(path for path in tmp_path.rglob("*") if path.is_dir())


def test_a_file_in_the_place_of_the_work_folder_is_refused(settings: DatasetSettings):
    write(Path(settings.work_folder).parent, Path(settings.work_folder).name)
    with pytest.raises(UserError, match=f"{settings.work_folder} is no folder"):
        pretraining_dataset.create(settings)
    assert Path(settings.work_folder).read_text().startswith("precious")


def test_an_empty_folder_of_the_users_is_used_and_stays(settings: DatasetSettings):
    Path(settings.work_folder).mkdir(parents=True)
    pretraining_dataset.create(settings)
    assert list(Path(settings.work_folder).iterdir()) == []


def test_a_run_that_goes_on_knows_whose_the_folder_is(settings: DatasetSettings, stop_in: StopIn):
    for is_ours in (True, False):
        if not is_ours:
            Path(settings.output_dir).rename(f"{settings.output_dir}_before")
            Path(settings.work_folder).mkdir(parents=True)
        stop_in(settings, "make_portion")
        pretraining_dataset.create(settings)
        assert Path(settings.work_folder).exists() != is_ours


def test_a_link_and_the_folder_that_it_leads_to_stay(make_settings: MakeSettings, tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "disk")
    pretraining_dataset.create(make_settings(work_dir=str(tmp_path / "work")))
    assert (tmp_path / "work").is_symlink()
    assert list((tmp_path / "disk").iterdir()) == []


FOREIGN = ["notes", "piece-1/x", "piece-000000/thesis.txt", "tokens/deep/er", "train-32/a.npy"]


def put_foreign_files(settings: DatasetSettings, tmp_path: Path) -> dict[str, bytes]:
    """Puts files into a work folder, and a link to a folder; returns what must stay there."""
    write(settings.work_folder, *FOREIGN)
    write(tmp_path / "texts", "tokens", "thesis.txt")
    (Path(settings.work_folder) / "piece-000009").symlink_to(tmp_path / "texts")
    return {name: f"precious {name}".encode() for name in FOREIGN}


def assert_foreign_files_stay(settings: DatasetSettings, expected: dict[str, bytes], said: str):
    assert contents(settings.work_folder) == expected
    assert (Path(settings.work_folder) / "piece-000009").is_symlink()
    assert len(list((Path(settings.work_folder) / "piece-000009").iterdir())) == 2
    (note,) = [line for line in said.splitlines() if "only what this program wrote" in line]
    assert note.startswith(f"note: {settings.work_folder} stays, with notes and 5 more: ")


def test_what_came_into_the_work_folder_meanwhile_stays_at_the_end_and_is_named(
    settings: DatasetSettings, stop_in: StopIn, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    stop_in(settings, "write_shard", 2)
    expected = put_foreign_files(settings, tmp_path)
    pretraining_dataset.create(settings)
    assert_foreign_files_stay(settings, expected, capsys.readouterr().out)
    assert pretraining_dataset.create(settings)
    assert "nothing to do" in capsys.readouterr().out


def test_it_stays_when_the_text_is_refused_too(
    settings: DatasetSettings, stop_in: StopIn, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    with Path(settings.text.input).open("ab") as text:
        text.write(b"\n\xff\n")
    stop_in(settings, "tokenize_piece")
    expected = put_foreign_files(settings, tmp_path)
    with pytest.raises(UserError, match="UTF-8"):
        pretraining_dataset.create(settings)
    assert_foreign_files_stay(settings, expected, capsys.readouterr().out)


def test_a_refused_text_leaves_no_work_folder(settings: DatasetSettings):
    Path(settings.text.input).write_bytes(b"\xff\n")
    with pytest.raises(UserError, match="UTF-8"):
        pretraining_dataset.create(settings)
    assert not Path(settings.work_folder).exists()


@pytest.mark.parametrize(
    ("name", "call"), [("tokenize_piece", 2), ("make_portion", 2), ("write_shard", 4)]
)
def test_all_that_a_run_leaves_has_names_of_its_own(
    settings: DatasetSettings,
    stop_in: StopIn,
    name: str,
    call: int,
    monkeypatch: pytest.MonkeyPatch,
):
    shrink(monkeypatch)
    stop_in(settings, name, call)
    found = list(removal.paths_below(settings.work_folder))
    assert len(found) > 5
    assert [path for path in found if not work_folder.owns(path)] == []


def test_names_of_others_are_none_of_its_own():
    for name in (
        *(
            "piece-1",
            "piece-000001",
            "piece-000001/x",
            "piece-000001.json.partial",
            "piece-000001x",
        ),
        *(
            "tokens/tokens/tokens",
            "tokens.txt",
            "train-32/x.npy",
            "train-32/pairs-1.json",
            "lock/a",
        ),
        *("settings.json.old", "a/settings.json", "train-32/train-1-of-2.tfrecord.json", "train/"),
    ):
        assert not work_folder.owns(name), name


def work_of_version_before(settings: DatasetSettings, stop_in: StopIn) -> Path:
    """Leaves unfinished work without a mark, and with a lock's file."""
    stop_in(settings, "make_portion")
    folder = Path(settings.work_folder)
    (folder / removal.MARK_FILE).unlink()
    (folder / "lock").touch()
    return folder


def test_work_of_the_version_before_goes_on_and_is_marked(
    settings: DatasetSettings, stop_in: StopIn, monkeypatch: pytest.MonkeyPatch
):
    folder = work_of_version_before(settings, stop_in)
    monkeypatch.setattr(dataset_tasks, "_tokenize", pytest.fail)
    stop_in(settings, "make_portion")
    assert removal.read_mark(str(folder), work_folder.KIND)
    pretraining_dataset.create(settings)
    assert list(folder.iterdir()) == []  # who made it is not known


@pytest.mark.parametrize("name", ["thesis.txt", "tokens/thesis.txt"])
def test_what_looks_like_work_of_the_version_before_with_something_else_is_refused(
    settings: DatasetSettings, stop_in: StopIn, name: str
):
    folder = work_of_version_before(settings, stop_in)
    write(folder, name)
    before = contents(folder)
    with pytest.raises(UserError, match="not written by this program"):
        pretraining_dataset.create(settings)
    assert contents(folder) == before


@pytest.mark.parametrize("names", [["lock"], [removal.MARK_FILE], [removal.MARK_FILE, "lock"]])
def test_what_a_run_leaves_that_is_killed_at_its_begin_is_in_nobodys_way(
    settings: DatasetSettings, names: list[str]
):
    Path(settings.work_folder).mkdir(parents=True)
    for name in names:
        (Path(settings.work_folder) / name).touch()
    pretraining_dataset.create(settings)
    assert list(Path(settings.work_folder).iterdir()) == []


def test_a_remote_work_folder_is_refused(make_settings: MakeSettings):
    with pytest.raises(UserError, match=r"--work_dir gs://bucket/work is remote.* local folder"):
        pretraining_dataset.create(make_settings(work_dir="gs://bucket/work"))
