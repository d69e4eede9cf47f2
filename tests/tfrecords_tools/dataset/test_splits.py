"""Which documents are trained on, and who makes their pairs."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.tfrecords_tools.made_corpus import make_corpus
from tfrecords_tools.dataset import splits
from tfrecords_tools.dataset.splits import Split
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
RECIPE = Recipe(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=3)


def uneven_corpus(num_documents: int, seed: int) -> Corpus:
    rng = np.random.default_rng(seed)
    return make_corpus(
        [rng.integers(1, 30, rng.integers(1, 25)).tolist() for _ in range(num_documents)]
    )


def lengths_of(corpus: Corpus) -> np.ndarray:
    return np.diff(corpus.sentence_starts[corpus.document_starts])


def test_every_document_is_in_one_split(make_settings: MakeSettings):
    corpus = uneven_corpus(200, seed=0)
    train, heldout = splits.make_splits(corpus, make_settings(heldout_fraction=0.1, recipe=RECIPE))
    assert (train.name, train.num_passes) == ("train", 3)
    assert (heldout.name, heldout.num_passes) == ("heldout", 1)
    assert len(heldout.documents) == 20
    assert sorted([*train.documents, *heldout.documents]) == list(range(200))


def test_there_is_no_empty_heldout_split(make_settings: MakeSettings):
    made = splits.make_splits(uneven_corpus(9, seed=0), make_settings(heldout_fraction=0.0))
    assert [split.name for split in made] == ["train"]


def test_the_splits_are_alike_for_all_lengths_and_differ_by_seed(make_settings: MakeSettings):
    corpus = uneven_corpus(300, seed=1)
    heldout = [
        splits.make_splits(
            corpus, make_settings(recipe=Recipe(max_seq_length=length, random_seed=seed))
        )[1].documents.tolist()
        for length, seed in ((32, 1), (512, 1), (32, 2))
    ]
    assert heldout[0] == heldout[1] != heldout[2]


@pytest.mark.parametrize("pairs_per_portion", [1, 10, 100, 10_000])
@pytest.mark.parametrize("num_documents", [1, 2, 3, 80])
def test_portions_cover_each_document_once_and_none_is_empty(
    num_documents: int, pairs_per_portion: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(splits, "PAIRS_PER_PORTION", pairs_per_portion)
    corpus = uneven_corpus(100, seed=2)
    documents = np.sort(np.random.default_rng(3).permutation(100)[:num_documents])
    made = splits.portions(corpus, Split("train", documents, 3), RECIPE)
    assert [rank for begin, end in made for rank in range(begin, end)] == list(range(num_documents))
    assert all(begin < end for begin, end in made)


@pytest.mark.parametrize("num_passes", [1, 3])
def test_portions_have_about_equally_many_tokens(num_passes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(splits, "PAIRS_PER_PORTION", 150)
    corpus = uneven_corpus(500, seed=4)
    made = splits.portions(corpus, Split("train", np.arange(500), num_passes), RECIPE)
    lengths = lengths_of(corpus)
    wanted = lengths.sum() * num_passes // 16 // 150
    assert len(made) == wanted > 10
    for begin, end in made:
        share = lengths[begin:end].sum() / lengths.sum()
        assert abs(share - 1 / wanted) <= 2 * lengths.max() / lengths.sum()


def test_a_document_longer_than_all_others_is_no_empty_portion(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(splits, "PAIRS_PER_PORTION", 1)
    for place in range(5):
        documents = [[1]] * 5
        documents[place] = [10] * 1_000
        corpus = make_corpus(documents)
        made = splits.portions(corpus, Split("train", np.arange(5), 1), RECIPE)
        assert [rank for begin, end in made for rank in range(begin, end)] == list(range(5))


def test_there_are_not_more_portions_than_a_process_can_hold_open(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(splits, "PAIRS_PER_PORTION", 1)
    corpus = uneven_corpus(2_000, seed=5)
    made = splits.portions(corpus, Split("train", np.arange(2_000), 10), RECIPE)
    assert len(made) <= splits.MAX_PORTIONS
    assert len(made) > 0.9 * splits.MAX_PORTIONS
