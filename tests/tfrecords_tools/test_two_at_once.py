"""Two programs that are to write to one place: the second is refused, or leaves the first's."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock
from tests.process_groups import wait_until
from tests.tfrecords_tools.conftest import RECIPE
from tests.tfrecords_tools.create_data_runs import (
    SECONDS,
    SLOW_PROGRAM,
    finish,
    matches,
    start,
    write_text,
)
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
SLOW_VOCABULARY = ["-m", "tests.tfrecords_tools.slow_vocabulary"]


@pytest.mark.parametrize("name", ["records", "work", "records/seq_64"])
def test_a_folder_in_which_another_process_works_is_refused_and_left_alone(
    make_settings: MakeSettings, name: str, tmp_path: Path
):
    """A second lock of this process stands for that of another."""
    lengths = (RECIPE, Recipe(max_seq_length=64, max_predictions_per_seq=10))
    settings = make_settings(
        work_dir=str(tmp_path / "work"), recipes=lengths if "/" in name else (RECIPE,)
    )
    (tmp_path / name).mkdir(parents=True)
    with folder_lock.held(str(tmp_path / name), report=pytest.fail):
        before = contents(tmp_path)
        message = rf"^{tmp_path}/{name} is in use by process {os.getpid()} on .*wait for its end"
        with pytest.raises(UserError, match=message):
            pretraining_dataset.create(settings)
        assert contents(tmp_path) == before
    pretraining_dataset.create(settings)


def test_locks_are_gone_after_the_end_and_after_an_error(
    make_settings: MakeSettings, tmp_path: Path, stop_in: Callable[..., None]
):
    settings = make_settings()
    stop_in(settings, "write_shard", 2)
    assert not list(tmp_path.rglob(f"{folder_lock.LOCK_FILE}*"))
    pretraining_dataset.create(settings)
    assert not list(tmp_path.rglob(f"{folder_lock.LOCK_FILE}*"))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags for a small text."""
    return write_text(tmp_path_factory.mktemp("text"), num_files=1)


@pytest.fixture(scope="module")
def undisturbed(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that is alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish([*words, f"--output_dir={folder}"], program=[*SLOW_PROGRAM, "0"])
    return contents(folder)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["_work/settings.json", "train-00001-of-00004.tfrecord"])
def test_other_runs_are_refused_at_once_and_do_not_harm_the_first(
    words: list[str], undisturbed: dict[str, bytes], moment: str, tmp_path: Path
):
    """The first one works, or gives its files their names."""
    folder, other_work = tmp_path / "records", f"--work_dir={tmp_path}/other_work"
    first = start([*words, f"--output_dir={folder}"], program=[*SLOW_PROGRAM, "1"])
    assert wait_until(matches(folder, moment), timeout=SECONDS)
    os.killpg(first.pid, signal.SIGSTOP)
    for others in ([], [other_work, "--random_seed=1"]):
        second = start([*words, f"--output_dir={folder}", *others])
        _, refused = second.communicate(timeout=SECONDS)
        assert second.returncode == 2
        assert refused.startswith(f"error: {folder} is in use by process {first.pid} on ")
        assert refused.count("\n") == 1
        assert not (tmp_path / "other_work").exists()
    os.killpg(first.pid, signal.SIGCONT)
    _, errors = first.communicate(timeout=SECONDS)
    assert first.returncode == 0, errors
    assert contents(folder) == undisturbed


@pytest.mark.slow
def test_a_vocabulary_that_another_program_made_meanwhile_stays_and_both_are_there(tmp_path: Path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\nthe dog sat on the log\n" * 9)
    path = tmp_path / "new" / "vocab.txt"
    flags = [f"--input={tmp_path}/text.txt", f"--vocab_file={path}"]
    first = start([*flags, "--vocab_size=200"], program=[*SLOW_VOCABULARY, "10"])
    assert first.stdout is not None
    while "choosing word pieces" not in first.stdout.readline():
        pass
    finish([*flags, "--vocab_size=300"], program=["-m", "tfrecords_tools.build_vocab"])
    before = path.read_bytes()
    _, errors = first.communicate(timeout=SECONDS)
    assert first.returncode == 2
    assert path.read_bytes() == before
    (other,) = [file for file in path.parent.iterdir() if file != path]
    assert f"The vocabulary that was learned here is {other}." in errors
    assert other.read_bytes().startswith(b"[PAD]\n")
