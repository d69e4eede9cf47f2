"""What the summary points out: splits that measure badly, texts that suit the recipe badly."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, document_text
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe import document_split
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

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
    assert "does a blank line stand between paragraphs?" in note
