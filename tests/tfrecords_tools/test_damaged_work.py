"""Unfinished work that a power cut, or somebody's editor, damaged: done again, and said."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.conftest import write_text_and_settings
from tests.tfrecords_tools.record_reading import contents
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
StopIn = Callable[..., None]

NULS = b"\0" * 100
DAMAGES = {
    "empty": b"",
    "zeros": NULS,
    "cut": b'{"fac',
    "list": b"[]",
    "wrong type": b'{"facts": 3}',
    "text": b'"3"',
    "not UTF-8": b"\xff",
    "deep": b"[" * 100_000,
}
# (in which task the run stops, a file that is there then)
RESULTS = [
    ("tokenize_piece", "piece-000001.json"),
    ("make_portion", "piece-000001.json"),  # of a piece that is joined already
    ("make_portion", "tokens/facts.json"),
    ("write_shard", "train-32/pairs-*.json"),
    ("write_shard", "train-32/train-00000-of-00003.tfrecord.json"),
]
FILES = [
    ("tokenize_piece", "piece-000001/tokens"),
    ("tokenize_piece", "piece-000001/documents"),
    ("make_portion", "tokens/tokens"),
    ("make_portion", "tokens/sentences"),
    ("write_shard", "train-32/pairs-*.keys.npy"),
    ("write_shard", "train-32/pairs-*.pairs.npy"),
]


@pytest.fixture(scope="module")
def settings_in(
    tmp_path_factory: pytest.TempPathFactory, vocabulary: list[str]
) -> Callable[[Path], MakeSettings]:
    """A function that gives, for a folder, what gives settings for records there of one text."""
    make = write_text_and_settings(tmp_path_factory.mktemp("text"), vocabulary)
    return lambda folder: functools.partial(make, output_dir=str(folder / "records"))


@pytest.fixture(scope="module")
def undisturbed(
    settings_in: Callable[[Path], MakeSettings], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of a run that nothing stops."""
    return made_with(settings_in(tmp_path_factory.mktemp("undisturbed"))())


@pytest.fixture(scope="module")
def undisturbed_small_tasks(
    settings_in: Callable[[Path], MakeSettings], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of such a run with many small tasks."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        return made_with(settings_in(tmp_path_factory.mktemp("undisturbed"))())


def made_with(settings: DatasetSettings) -> dict[str, bytes]:
    pretraining_dataset.create(settings)
    return contents(settings.output_dir)


@pytest.fixture
def make_settings(settings_in: Callable[[Path], MakeSettings], tmp_path: Path) -> MakeSettings:
    return settings_in(tmp_path)


@pytest.fixture
def go_on_after(
    make_settings: MakeSettings,
    stop_in: StopIn,
    undisturbed_small_tasks: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    """A function that damages a file of a stopped run, checks the end, and returns what is said."""

    def go_on(task: str, name: str, content: bytes | None) -> str:
        shrink(monkeypatch)
        settings = make_settings(work_dir=str(tmp_path / "work"))
        stop_in(settings, task, 3)
        path = sorted((tmp_path / "work").glob(name))[0]
        path.write_bytes(path.read_bytes()[:-1] if content is None else content)
        capsys.readouterr()
        pretraining_dataset.create(settings)
        assert contents(settings.output_dir) == undisturbed_small_tasks
        assert not (tmp_path / "work").exists()
        return capsys.readouterr().out

    return go_on


@pytest.mark.parametrize(
    ("task", "name", "damage"),
    [
        *((*RESULTS[0], damage) for damage in DAMAGES),
        *((*result, "zeros") for result in RESULTS[1:]),
    ],
)
def test_a_damaged_result_is_said_and_its_task_done_again(
    go_on_after: Callable[..., str], task: str, name: str, damage: str
):
    said = go_on_after(task, name, DAMAGES[damage])
    (line,) = [line for line in said.splitlines() if "is damaged" in line]
    assert Path(name).suffix in line
    assert line.endswith("What it stands for is done again.")


@pytest.mark.parametrize("content", [None, b""])
@pytest.mark.parametrize(("task", "name"), FILES)
def test_so_are_tasks_whose_files_were_cut_off(
    go_on_after: Callable[..., str], task: str, name: str, content: bytes | None
):
    assert "is damaged" in go_on_after(task, name, content)


def test_a_store_that_is_gone_is_made_again(
    make_settings: MakeSettings, stop_in: StopIn, undisturbed: dict[str, bytes]
):
    """The pieces are gone too, by the joining, so the text is read again."""
    settings = make_settings()
    stop_in(settings, "make_portion")
    shutil.rmtree(Path(settings.work_folder) / "tokens")
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == undisturbed


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_settings_make_the_work_begin_anew(
    make_settings: MakeSettings,
    stop_in: StopIn,
    undisturbed: dict[str, bytes],
    damage: str,
    capsys: pytest.CaptureFixture[str],
):
    settings = make_settings()
    stop_in(settings, "write_shard", 3)
    path = Path(settings.work_folder) / "settings.json"
    path.write_bytes(DAMAGES[damage])
    capsys.readouterr()
    pretraining_dataset.create(settings)
    said = capsys.readouterr().out
    assert f"{path} is damaged: " in said
    assert "The work begins anew." in said
    assert "going on" not in said
    assert contents(settings.output_dir) == undisturbed


def test_damaged_settings_beside_something_else_are_refused(
    make_settings: MakeSettings, stop_in: StopIn
):
    settings = make_settings()
    stop_in(settings, "make_portion")
    (Path(settings.work_folder) / "settings.json").write_bytes(NULS)
    (Path(settings.work_folder) / "thesis.txt").write_text("precious")
    before = contents(settings.work_folder)
    with pytest.raises(UserError, match=r"settings.json is damaged.*thesis.txt, not written by"):
        pretraining_dataset.create(settings)
    assert contents(settings.work_folder) == before
