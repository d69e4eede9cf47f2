"""Input, output and work folders that lie in one another: refused before anything is written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.conftest import RECIPE
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import places, pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.formats import tfds_text
from tfrecords_tools.text.text_input import TextInput

MakeSettings = Callable[..., DatasetSettings]
TWO_LENGTHS = (RECIPE, Recipe(max_seq_length=64, max_predictions_per_seq=10))


@pytest.fixture
def folder(make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With some texts, links and a vocabulary; the current folder."""
    text = Path(make_settings().text.input).read_text()
    for name in ("texts/a.txt", "texts/below/b.txt", "more/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "link_to_texts").symlink_to(tmp_path / "texts")
    (tmp_path / "link_to_a.txt").symlink_to(tmp_path / "texts" / "a.txt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Input, output and work folder, all below `folder`, and a part of the message, where T is `folder`.
OVERLAPS = [
    (
        "texts",
        "texts",
        "",
        "--input T/texts is the same as --output_dir T/texts: this program writes and removes",
    ),
    ("texts", "link_to_texts", "", r"is the same as --output_dir T/link.* \(which is T/texts\)"),
    ("link_to_texts", "texts", "", r"--input T/link_to_texts \(which is T/texts\) is the same"),
    ("texts", "more/../texts", "", r"same as --output_dir T/more/../texts \(which is T/texts\)"),
    ("texts/*.txt", "texts", "", r"--input T/texts/\*.txt .* same as --output_dir T/texts: this"),
    ("texts/**/b.txt", ".", "", r"--input T/texts/\*\*/b.txt lies in --output_dir T/"),
    ("texts/a.txt", "texts", "", "--input T/texts/a.txt lies in --output_dir T/texts"),
    ("link_to_a.txt", "texts", "", r"link_to_a.txt \(which is T/texts/a.txt\) lies in --output"),
    ("texts/below", "texts", "", "--input T/texts/below lies in --output_dir T/texts"),
    ("more/c.txt,texts", "texts", "", "--input T/texts is the same as --output_dir T/texts"),
    ("texts", "out", "texts", "--input T/texts is the same as --work_dir T/texts: this program"),
    (
        "texts",
        "out",
        ".",
        "--input T/texts lies in --work_dir T/.: this program writes and removes",
    ),
    ("texts/*.txt", "out", "texts", r"--input T/texts/\*.txt .*same as --work_dir T/texts"),
    ("texts/below/*", "out", "texts", r"--input T/texts/below/\* .*lies in --work_dir T/texts"),
    ("more", "out", "out", "--output_dir T/out is the same as --work_dir T/out: work files"),
    ("more", "work/out", "work", "--output_dir T/work/out lies in --work_dir T/work"),
    (
        "more",
        "out",
        "out/seq_32",
        "go to T/out/seq_32, is the same as --work_dir T/out/seq_32",
    ),
]


@pytest.mark.parametrize(("text", "output", "work", "message"), OVERLAPS)
def test_folders_in_one_another_are_refused_by_name_and_nothing_is_written(
    folder: Path,
    make_settings: MakeSettings,
    text: str,
    output: str,
    work: str,
    message: str,
):
    settings = make_settings(
        input=",".join(f"{folder}/{part}" for part in text.split(",")),
        output_dir=f"{folder}/{output}",
        work_dir=work and f"{folder}/{work}",
        recipes=TWO_LENGTHS if "seq" in work else (RECIPE,),
    )
    before = contents(folder)
    with pytest.raises(UserError, match=message.replace("T/", f"{folder}/")):
        pretraining_dataset.create(settings)
    assert contents(folder) == before
    assert not (folder / output).exists() or output.startswith(("texts", "more", "link", "."))


@pytest.mark.parametrize(
    ("text", "output", "work"),
    [
        ("texts", "out", ""),
        ("texts", "texts_of_mine", ""),  # no folder of the other, though its name begins alike
        ("texts", "texts/out", ""),  # no input: see below
        ("texts", "link_to_texts/out", "texts/below/work"),
        ("texts", "out", "out/work"),
        ("texts/*.txt", "texts/out", ""),
        ("texts/*", "texts/below/out", "texts/work"),
        ("texts/a.txt,more", "texts/out", "texts/work"),
    ],
)
def test_folders_beside_one_another_are_let_be(
    folder: Path, make_settings: MakeSettings, text: str, output: str, work: str
):
    for recipes in ((RECIPE,), TWO_LENGTHS):
        # Relative ones too.
        places.check_apart(
            make_settings(input=text, output_dir=output, work_dir=work, recipes=recipes)
        )


def test_a_folder_with_all_in_it_is_read_without_what_the_program_has_there(
    folder: Path, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    apart = make_settings(input=str(folder / "texts"), recipes=TWO_LENGTHS)
    expected = [info.source_sha256 for info in pretraining_dataset.create(apart)]
    capsys.readouterr()
    settings = make_settings(
        input=str(folder / "texts"),
        vocab_file=shutil.copy(make_settings().vocab_file, folder / "texts"),
        output_dir=str(folder / "link_to_texts" / "below" / "out"),
        work_dir=str(folder / "texts" / "work"),
        recipes=TWO_LENGTHS,
    )
    for _ in range(2):  # the second time, all of it is there
        found = [info.source_sha256 for info in pretraining_dataset.create(settings)]
        assert found == expected
    first, *_, again = capsys.readouterr().out.split("files: 2 in 2 folder(s), ")[1:]
    assert f"left out: 1 written or used by this program itself: {settings.vocab_file}\n" in first
    assert "2 written or used by this program itself: " in again
    assert f"{folder}/texts/below/out, " in again
    assert "nothing to do" in again


def test_a_vocabulary_in_the_work_folder_is_refused(folder: Path, make_settings: MakeSettings):
    settings = make_settings(vocab_file="work/vocab.txt", work_dir="work")
    with pytest.raises(
        UserError, match=r"--vocab_file work/vocab.txt lies in --work_dir work: work"
    ):
        places.check_apart(settings)


def test_remote_folders_are_compared_by_their_names(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    def find_starts(patterns: str) -> list[tuple[str, str]]:
        return [(patterns, patterns)]

    monkeypatch.setattr(places.file_search, "find_starts", find_starts)
    folder = "gs://bucket/texts/"
    for output in ("gs://bucket/texts", "gs://bucket", "gs://bucket/"):
        with pytest.raises(UserError, match=r"(is the same as|lies in) --output_dir gs://bucket"):
            places.check_apart(make_settings(input=folder, output_dir=output, work_dir="work"))
    for output in ("gs://bucket/texts_too", "gs://bucket2/texts/out", "gs://bucket/texts/out/"):
        places.check_apart(make_settings(input=folder, output_dir=output, work_dir="work"))


def test_paths_with_the_scheme_of_local_files_are_local(folder: Path, make_settings: MakeSettings):
    output = f"file://{folder}/link_to_texts"
    with pytest.raises(UserError, match=r"--input texts is the same as .* \(which is .*/texts\)"):
        places.check_apart(make_settings(input="texts", output_dir=output, work_dir="work"))


def test_the_embedded_corpus_is_in_nobodys_way(folder: Path, make_settings: MakeSettings):
    places.check_apart(make_settings(input="embedded", output_dir="/"))


def test_the_files_of_a_prepared_data_set_count_as_input(
    folder: Path, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    prepared = folder / "tfds" / "texts" / "1.0.0"
    monkeypatch.setattr(tfds_text, "find_folder", lambda name, data_dir: str(prepared))
    text = TextInput(tfds="texts", tfds_data_dir=str(folder / "tfds"))
    places.check_apart(make_settings(text=text, output_dir=str(folder / "tfds" / "records")))
    for output in (prepared / "out", prepared.parent):
        with pytest.raises(UserError, match=f"--tfds texts in {prepared}"):
            places.check_apart(make_settings(text=text, output_dir=str(output)))


def test_beam_has_no_work_folder(folder: Path, make_settings: MakeSettings):
    beam = make_settings(runner="beam", work_dir="texts", input="texts")
    places.check_apart(beam)
    with pytest.raises(UserError, match="--input texts is the same as --output_dir texts"):
        places.check_apart(make_settings(runner="beam", output_dir="texts", input="texts"))
