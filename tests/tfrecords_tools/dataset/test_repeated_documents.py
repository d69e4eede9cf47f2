"""Documents that stand in the text again: found, counted, on one side, or left out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.errors import UserError
from tests.tfrecords_tools.made_corpus import make_corpus
from tests.tfrecords_tools.numbered_text import document_text, place_of
from tests.tfrecords_tools.record_reading import contents, read_split, segments
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools import tokenization
from tfrecords_tools.dataset import pretraining_dataset, repeated_documents, splits
from tfrecords_tools.recipe import document_split
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
# Documents 0 to 3 four times, apart from one another; the others once.
ORDER = [*range(12), 0, 1, *range(12, 18), 2, 3, *range(18, 24), 0, 1, 2, 3, 0, 3, 1, 2]
NUM_DIFFERENT, NUM_REPEATED = 24, 12


def find(tmp_path: Path, hashes: list[list[int]]) -> list[list[int]]:
    paths = [str(tmp_path / f"hashes-{index}") for index in range(len(hashes))]
    for path, part in zip(paths, hashes, strict=True):
        np.array(part, np.uint64).tofile(path)
    return repeated_documents.find(paths).tolist()


def test_every_repeat_is_found_with_the_first_of_its_kind(tmp_path: Path):
    rng = np.random.default_rng(0)
    for num_kinds in (1, 3, 50, 10**9):
        kinds = (rng.integers(0, num_kinds, 200).astype(np.uint64) << np.uint64(34)).tolist()
        firsts = {kind: index for index, kind in reversed(list(enumerate(kinds)))}
        wanted = [[i, firsts[kind]] for i, kind in enumerate(kinds) if firsts[kind] != i]
        assert find(tmp_path, [kinds[:70], [], kinds[70:]]) == wanted
    assert find(tmp_path, []) == find(tmp_path, [[]]) == find(tmp_path, [[7]]) == []


def test_a_hash_is_of_the_text_and_of_its_lines():
    texts = [["a b"], ["a", "b"], ["ab"], ["b", "a"], ["A b"], ["a b", ""], ["a b "], []]
    assert len({tokenization.hash_document(text) for text in texts}) == len(texts)
    assert tokenization.hash_document(["a b"]) == tokenization.hash_document(["a b"]) < 2**64


@pytest.fixture
def repeating(make_settings: MakeSettings, tmp_path: Path) -> MakeSettings:
    """As `make_settings`, of a text in which four documents stand four times."""
    text = "\n\n".join(document_text(document) for document in ORDER)
    (tmp_path / "repeating.txt").write_text(text)

    def make(**changes: object) -> DatasetSettings:
        return make_settings(**({"input": tmp_path / "repeating.txt"} | changes))

    return make


def documents_in(settings: DatasetSettings, split: str, vocabulary: list[str]) -> set[int]:
    return {
        place_of(token)[0]
        for record in read_split(settings.output_dir, split)
        for segment in segments(record, vocabulary)
        for token in segment
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("drops", [False, True])
def test_no_text_is_in_both_splits(
    repeating: MakeSettings, vocabulary: list[str], seed: int, drops: bool
):
    """With this many repeats a split by lot would nearly always divide some."""
    recipe = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=1, random_seed=seed)
    settings = repeating(recipe=recipe, drop_duplicates=drops, heldout_fraction=0.4)
    (info,) = pretraining_dataset.create(settings)
    train, heldout = (documents_in(settings, name, vocabulary) for name in ("train", "heldout"))
    assert train.isdisjoint(heldout)
    assert train | heldout == set(range(NUM_DIFFERENT))
    assert len(heldout) == round(0.4 * NUM_DIFFERENT)
    counted = sum(info.statistics[name]["documents"] for name in ("train", "heldout"))
    assert counted == (NUM_DIFFERENT if drops else len(ORDER))
    assert info.statistics["repeated_documents"] == NUM_REPEATED


def test_what_is_left_without_repeats_is_each_document_once(
    repeating: MakeSettings, make_settings: MakeSettings, vocabulary: list[str], tmp_path: Path
):
    """As many records as of the text without them; every word stands in as many."""
    one_pass = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=1)
    dropped = repeating(
        drop_duplicates=True, heldout_fraction=0.0, recipe=one_pass, output_dir=f"{tmp_path}/a"
    )
    kept = repeating(heldout_fraction=0.0, recipe=one_pass, output_dir=f"{tmp_path}/b")
    counts = []
    for settings in (dropped, kept):
        pretraining_dataset.create(settings)
        begins = [
            place_of(segments(record, vocabulary)[0][0])
            for record in read_split(settings.output_dir, "train")
        ]
        counts.append(max(sum(begin == (d, 0) for begin in begins) for d in range(4)))
    assert counts[0] == 1
    assert counts[1] > 2  # the first word can be lost as a segment is shortened


def test_text_without_repeats_is_split_as_if_nobody_looked(make_settings: MakeSettings):
    corpus = make_corpus([[5]] * 50)
    settings = make_settings(heldout_fraction=0.2)
    train, heldout = document_split.split_documents(50, heldout_fraction=0.2, seed=12345)
    for changes in ({}, {"repeats": repeated_documents.NONE}):
        made = splits.make_splits(corpus, settings, **changes)
        assert made[0].documents.tolist() == train.tolist()
        assert made[1].documents.tolist() == heldout.tolist()


def test_documents_that_stand_there_again_are_held_out_last(make_settings: MakeSettings):
    corpus = make_corpus([[5]] * 50)  # nine of them once, ten twice, one 21 times
    repeats = np.array([[20 + n, n if n < 10 else 10] for n in range(30)])
    once = set(range(11, 20))
    for is_dropped in (False, True):
        for fraction, num_heldout in ((0.4, 8), (0.5, 10)):
            _, heldout = splits.make_splits(
                corpus,
                make_settings(heldout_fraction=fraction, drop_duplicates=is_dropped),
                repeats=repeats,
            )
            chosen = set(heldout.documents[heldout.documents < 20].tolist())
            assert len(chosen) == num_heldout
            assert chosen <= once if num_heldout <= len(once) else chosen > once


def test_without_a_held_out_split_repeats_count_as_documents(make_settings: MakeSettings):
    repeats = np.array([[1, 0], [2, 0]])
    settings = make_settings(heldout_fraction=0.0)
    (train,) = splits.make_splits(make_corpus([[5]] * 3), settings, repeats=repeats)
    assert train.documents.tolist() == [0, 1, 2]


@pytest.mark.parametrize("changes", [{"heldout_fraction": 0.2}, {"drop_duplicates": True}])
def test_too_few_different_documents_are_refused(
    make_settings: MakeSettings, changes: dict[str, object]
):
    settings = make_settings(**({"heldout_fraction": 0.0} | changes))
    with pytest.raises(
        UserError, match=r"holds 1 document\(s\) with text, and 9 more that are one"
    ):
        splits.make_splits(
            make_corpus([[5]] * 10), settings, repeats=np.array([[n, 0] for n in range(1, 10)])
        )


@pytest.mark.parametrize("task", [("tokenize_piece", 3), ("make_portion", 2), ("write_shard", 2)])
def test_processes_and_stops_change_nothing(
    repeating: MakeSettings,
    stop_in: Callable[..., None],
    task: tuple[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    shrink(monkeypatch)
    whole = repeating(drop_duplicates=True, num_processes=2, output_dir=str(tmp_path / "whole"))
    pretraining_dataset.create(whole)
    settings = repeating(drop_duplicates=True)
    stop_in(settings, *task)
    pretraining_dataset.create(settings)
    assert contents(settings.output_dir) == contents(whole.output_dir)


def test_what_is_dropped_is_another_data_set(repeating: MakeSettings):
    kept, dropping = repeating(), repeating(drop_duplicates=True)
    pretraining_dataset.create(kept)
    with pytest.raises(UserError, match="holds records with drop_duplicates = None, but True is"):
        pretraining_dataset.create(dropping)
    text = (Path(kept.output_dir) / "dataset_info.json").read_text()
    assert "drop_duplicates" not in json.loads(text)["settings"]  # as those of earlier versions


def test_they_are_noted_with_what_to_do(
    repeating: MakeSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    pretraining_dataset.create(repeating())
    note = "note: 12 of 36 documents (33.3%) are an earlier one again, letter for letter."
    assert note in capsys.readouterr().out
    pretraining_dataset.create(repeating(drop_duplicates=True, output_dir=f"{tmp_path}/dropped"))
    said = capsys.readouterr().out
    assert "dropped: 12 documents that are an earlier one again (33.3%)" in said
    assert "note: 12 of" not in said


def test_one_in_a_hundred_is_no_note(
    make_settings: MakeSettings, capsys: pytest.CaptureFixture[str]
):
    settings = make_settings()
    text = "\n\n".join([f"d0w{n} d0w{n + 1}\nd1w{n}" for n in range(100)] + ["d0w0 d0w1\nd1w0"])
    Path(settings.text.input).write_text(text)
    pretraining_dataset.create(settings)
    said = capsys.readouterr().out
    assert "repeated: 1 documents are an earlier one again" in said
    assert "letter for letter" not in said


def test_beam_does_not_compare_documents(make_settings: MakeSettings):
    with pytest.raises(
        UserError, match=r"--drop_duplicates compares all documents.* --runner=beam"
    ):
        make_settings(drop_duplicates=True, runner="beam")
