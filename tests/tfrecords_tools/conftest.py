"""Settings for a small data set, and the real texts."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from absl import flags

from mslt_tf import startup
from tests import real_text
from tests.tfrecords_tools.create_data_runs import NUM_FILES, SECONDS, start, write_text
from tests.tfrecords_tools.numbered_text import (
    NUM_DOCUMENTS,
    SPECIAL_TOKENS,
    WORDS_PER_DOCUMENT,
    document_text,
    word,
)
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools import create_data
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.text_input import TextInput

RECIPE = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=2)


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    words = [
        word(document, place)
        for document in range(NUM_DOCUMENTS)
        for place in range(WORDS_PER_DOCUMENT)
    ]
    return SPECIAL_TOKENS + words


@pytest.fixture
def make_settings(tmp_path: Path, vocabulary: list[str]) -> Callable[..., DatasetSettings]:
    """A function that gives settings for the text, apart from what it is told.

    `input` stands for a text of that input, `recipe` for that recipe alone.
    """
    return write_text_and_settings(tmp_path, vocabulary)


def write_text_and_settings(folder: Path, vocabulary: list[str]) -> Callable[..., DatasetSettings]:
    """Writes text and vocabulary into a folder; see `make_settings`."""
    (folder / "text.txt").write_text(
        "\n\n".join(document_text(document) for document in range(NUM_DOCUMENTS))
    )
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary))

    def make(**changes: object) -> DatasetSettings:
        values: dict[str, object] = {
            "text": TextInput(input=str(changes.pop("input", folder / "text.txt"))),
            "output_dir": str(folder / "records"),
            "vocab_file": str(folder / "vocab.txt"),
            "heldout_fraction": 0.2,
            "num_shards": 3,
            "recipes": (changes.pop("recipe", RECIPE),),
        }
        return DatasetSettings(**(values | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture
def stop_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that runs with settings and stops before the n-th call of a kind of task."""
    from tfrecords_tools.dataset import dataset_tasks, pretraining_dataset

    def run(settings: DatasetSettings, name: str, call: int = 1) -> None:
        calls, function = [], getattr(dataset_tasks, name)

        def stopping(*args: object) -> object:
            calls.append(args)
            if len(calls) == call:
                raise KeyboardInterrupt
            return function(*args)

        with monkeypatch.context() as patch:
            patch.setattr(dataset_tasks, name, stopping)
            with pytest.raises(KeyboardInterrupt):
                pretraining_dataset.create(settings)

    return run


@pytest.fixture
def real_data() -> Path:
    """The folder of real texts beside the checkout."""
    return real_text.path()


@pytest.fixture
def run_create_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A function that runs create_data with a command line, in this process.

    It returns the exit status and what is said on standard error.
    """

    def run(*words: str) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            patch.setattr(flags, "FLAGS", flags.FlagValues())
            patch.setattr(sys, "argv", ["create_data", *words])
            capsys.readouterr()
            with pytest.raises(SystemExit) as raised:
                startup.run(create_data.main, define_flags=create_data.define_flags, description="")
        return raised.value.code or 0, capsys.readouterr().err  # type: ignore[return-value]

    return run


@pytest.fixture(scope="session")
def eight_files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags for a text of some pieces."""
    return write_text(tmp_path_factory.mktemp("text"), num_files=NUM_FILES, copies=4)


@pytest.fixture(scope="session")
def undisturbed_run(
    eight_files: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], str]:
    """The files of a run that nobody kills, and what it says on standard error."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start([*eight_files, f"--output_dir={folder}"])
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    made = contents(folder)
    assert len(made) == 6
    return made, errors


@pytest.fixture(scope="session")
def undisturbed(undisturbed_run: tuple[dict[str, bytes], str]) -> dict[str, bytes]:
    """The files of a run that nobody kills."""
    return undisturbed_run[0]


@pytest.fixture(scope="session")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Flags for a text of one piece."""
    return write_text(tmp_path_factory.mktemp("small"), num_files=1)
