"""Input, output and work folders that lie in one another: refused before anything is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.conftest import RECIPE
from tests.tfrecords_tools.record_reading import contents
from tfrecords_tools.dataset import places, pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text import tfds_text
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
        "--output_dir T/texts is the same as --input T/texts: records",
    ),
    ("texts", "texts/out", "", "--output_dir T/texts/out lies in --input T/texts: records"),
    ("texts", "link_to_texts/out", "", r"\(which is T/texts/out\) lies in --input T/texts"),
    ("link_to_texts", "texts/out", "", r"lies in --input T/link_to_texts \(which is T/texts\)"),
    ("texts", "more/../texts/below", "", r"\(which is T/texts/below\) lies in --input T/texts"),
    ("texts/*.txt", "texts", "", "--input T/texts/a.txt lies in --output_dir T/texts: this"),
    ("texts/a.txt", "texts", "", "--input T/texts/a.txt lies in --output_dir T/texts"),
    ("link_to_a.txt", "texts", "", r"link_to_a.txt \(which is T/texts/a.txt\) lies in --output"),
    ("texts/below", "texts", "", "--input T/texts/below lies in --output_dir T/texts"),
    ("more/c.txt,texts", "texts/out", "", "lies in --input T/texts"),
    (
        "texts",
        "out",
        "texts",
        "--work_dir T/texts is the same as --input T/texts: work files",
    ),
    ("texts", "out", "texts/work", "--work_dir T/texts/work lies in --input T/texts: work"),
    (
        "texts",
        "out",
        ".",
        "--input T/texts lies in --work_dir T/.: this program writes and removes",
    ),
    ("texts/*.txt", "out", "texts", "--input T/texts/a.txt lies in --work_dir T/texts"),
    ("texts/*/b.txt", "out", "texts", "--input T/texts/below/b.txt lies in --work_dir T/texts"),
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
    assert not (folder / output).exists() or output.startswith(("texts", "more"))


@pytest.mark.parametrize(
    ("text", "output", "work"),
    [
        ("texts", "out", ""),
        ("texts", "texts_of_mine", ""),  # no folder of the other, though its name begins alike
        ("texts", "out", "out/work"),
        ("texts/*.txt", "texts/out", ""),
        ("texts/*", "texts/below/out", "texts/work"),  # a glob takes no folders
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


def test_a_vocabulary_in_the_work_folder_is_refused(folder: Path, make_settings: MakeSettings):
    settings = make_settings(vocab_file="work/vocab.txt", work_dir="work")
    with pytest.raises(
        UserError, match=r"--vocab_file work/vocab.txt lies in --work_dir work: work"
    ):
        places.check_apart(settings)


def test_remote_folders_are_compared_by_their_names(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
):
    def find_places(patterns: str) -> tuple[list[str], list[str]]:
        return [], [patterns]

    monkeypatch.setattr(places.text_files, "find_places", find_places)
    folder = "gs://bucket/texts/"
    for output in ("gs://bucket/texts", "gs://bucket/texts/out/", "gs://bucket", "gs://bucket/"):
        with pytest.raises(
            UserError, match=r"(is the same as|lies in) --(input|output_dir) gs://bucket"
        ):
            places.check_apart(make_settings(input=folder, output_dir=output, work_dir="work"))
    for output in ("gs://bucket/texts_too", "gs://bucket2/texts/out", "s3://bucket/texts/out"):
        places.check_apart(make_settings(input=folder, output_dir=output, work_dir="work"))


def test_paths_with_the_scheme_of_local_files_are_local(folder: Path, make_settings: MakeSettings):
    output = f"file://{folder}/link_to_texts/out"
    with pytest.raises(UserError, match=r"\(which is .*/texts/out\) lies in --input texts"):
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
    with pytest.raises(UserError, match="lies in --input texts"):
        places.check_apart(make_settings(runner="beam", output_dir="texts/out", input="texts"))
