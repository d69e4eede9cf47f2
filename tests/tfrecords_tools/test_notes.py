"""What the summary points out: splits that measure badly, texts that suit the recipe badly."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, document_text
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe import document_split
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.sentences.long_sentences import MAX_SENTENCE
from tfrecords_tools.text.text_input import TextInput

MakeSettings = Callable[..., DatasetSettings]
RECIPE = Recipe(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=1)


def notes_of(settings: DatasetSettings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    pretraining_dataset.create(settings)
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]


def test_nothing_is_pointed_out_where_all_is_well(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    one_pass = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=1)
    assert notes_of(make_settings(heldout_fraction=0.5, recipe=one_pass), capsys) == []


def test_a_heldout_part_of_few_records_is_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    (note,) = notes_of(make_settings(heldout_fraction=0.1), capsys)
    assert "records; fewer than 100 measure little. Raise --heldout_fraction" in note


def test_documents_of_so_many_lines_are_told_in_the_summary(
    make_settings: MakeSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lines = [document_text(document).replace("\n", " ") for document in range(NUM_DOCUMENTS)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    text = TextInput(input=f"{tmp_path}/lines.txt", text_format="lines", documents_of=3)
    (info,) = pretraining_dataset.create(make_settings(text=text))
    assert info.statistics["documents"] == -(-NUM_DOCUMENTS // 3)
    said = capsys.readouterr().out
    assert "documents: 3 rows, objects, lines or examples make one, by --documents_of\n" in said


@pytest.mark.parametrize("fraction", [0.01, 0.5])
def test_a_heldout_part_of_another_size_than_asked_for_is_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str], fraction: float
):
    # The train part has more words than the others together, or the least number of documents
    # is more than the fraction.
    settings = make_settings(heldout_fraction=fraction, recipe=RECIPE)
    documents = [document_text(document) for document in range(NUM_DOCUMENTS)]
    if fraction == 0.5:
        documents[train_document()] += ("\n" + documents[0]) * 90
    Path(settings.text.input).write_text("\n\n".join(documents))
    notes = notes_of(settings, capsys)
    assert f"--heldout_fraction={fraction} asks for {fraction:.2%}" in notes[-1]


def train_document() -> int:
    train, _ = document_split.split_documents(
        NUM_DOCUMENTS, heldout_fraction=0.5, seed=RECIPE.random_seed
    )
    return int(train[0])


def test_paragraphs_that_stand_as_documents_are_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings(heldout_fraction=0.0)
    text = Path(settings.text.input).read_text()
    Path(settings.text.input).write_text(text.replace("\n", "\n\n"))
    (note,) = notes_of(settings, capsys)
    assert "100% of the train records have a random next sentence" in note
    assert "a blank line must end a document, not a" in note


def test_text_without_sentence_ends_is_cut_and_counted_or_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings(heldout_fraction=0.0)
    documents = [document_text(number).replace("\n", "  ") for number in range(NUM_DOCUMENTS)]
    assert min(map(len, documents)) > MAX_SENTENCE
    Path(settings.text.input).write_text("\n\n".join(documents))
    pretraining_dataset.create(settings)
    assert f"  {NUM_DOCUMENTS} text(s) without sentence ends cut" in capsys.readouterr().out
    as_lines = make_settings(
        heldout_fraction=0.0, sentence_splitting="line", output_dir=f"{settings.output_dir}_lines"
    )
    (note,) = notes_of(as_lines, capsys)
    assert "100% of the train records have a random next sentence" in note
    assert "Few sentence ends were found: 0." in note
    assert note.endswith("leave out --sentence_splitting=line.")


def test_the_way_of_splitting_decides_the_sentences(make_settings: MakeSettings):
    settings = make_settings(heldout_fraction=0.0)
    text = Path(settings.text.input).read_text()
    Path(settings.text.input).write_text(text.replace("w5 ", "w5. "))
    numbers = {}
    for way in ("auto", "line"):
        changed = make_settings(sentence_splitting=way, output_dir=f"{settings.output_dir}_{way}")
        (info,) = pretraining_dataset.create(changed)
        numbers[way] = info.statistics["sentences"]
        assert info.settings["sentence_splitting"] == way
    assert numbers["line"] == sum(bool(line) for line in text.split("\n"))
    assert numbers["auto"] > numbers["line"]
    with pytest.raises(UserError, match="sentence_splitting = 'line', but 'auto' is asked for"):
        pretraining_dataset.create(make_settings(output_dir=f"{settings.output_dir}_line"))


def test_whole_words_where_no_token_continues_one_are_pointed_out(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    whole = Recipe(max_seq_length=32, max_predictions_per_seq=5, whole_word_masking=True)
    notes = notes_of(make_settings(heldout_fraction=0.5, recipe=whole), capsys)
    (note,) = (note for note in notes if "--whole_word_masking" in note)
    assert "does here what token masking does: only 0.0% of the tokens continue a word" in note
