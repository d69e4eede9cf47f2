"""Whole data sets held against the recipe: lengths, masks, partners, and the text itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tfrecords_tools.fair_share import assert_fair, assert_share
from tests.tfrecords_tools.numbered_text import NUM_DOCUMENTS, WORDS_PER_DOCUMENT, word
from tests.tfrecords_tools.record_reading import Records, read_arrays, unmasked
from tests.tfrecords_tools.small_tasks import shrink
from tfrecords_tools.dataset import pretraining_dataset
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings

MakeSettings = Callable[..., DatasetSettings]
MakeRecords = Callable[..., tuple[Records, Records]]
NUM_SPECIALS, SEP, MASK = 5, 3, 4  # ids of the numbered text's vocabulary
RECIPE = Recipe(max_seq_length=32, max_predictions_per_seq=4, dupe_factor=12)


@pytest.fixture
def make_records(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> MakeRecords:
    """A function that gives the train and the held-out records of a recipe."""
    shrink(monkeypatch)

    def make(recipe: Recipe, text: str = "") -> tuple[Records, Records]:
        settings = make_settings(recipe=recipe)
        if text:
            Path(settings.text.input).write_text(text)
        pretraining_dataset.create(settings)
        train, heldout = (
            read_arrays(settings.output_dir, split, recipe) for split in ("train", "heldout")
        )
        return train, heldout

    return make


def words_of(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Returns (documents, places there), both [records, seq]; -1 where no word stands."""
    ids = unmasked(records) - NUM_SPECIALS
    is_word = ids >= 0
    return (
        np.where(is_word, ids // WORDS_PER_DOCUMENT, -1),
        np.where(is_word, ids % WORDS_PER_DOCUMENT, -1),
    )


def segment_lengths(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many words each segment has, both [records]."""
    is_word = unmasked(records) >= NUM_SPECIALS
    second = records["segment_ids"] > 0
    return (is_word & ~second).sum(axis=1), (is_word & second).sum(axis=1)


def first_places(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Returns where in `input_ids` each segment's first word is, both [records]."""
    first, _ = segment_lengths(records)
    return np.ones_like(first), first + 2


@pytest.mark.parametrize("objective", ["nsp", "sop"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_records_are_laid_out_and_filled_by_the_rules(
    make_records: MakeRecords, objective: str, whole_words: bool
):
    recipe = Recipe(
        max_seq_length=32,
        max_predictions_per_seq=4,
        dupe_factor=3,
        sentence_objective=objective,
        whole_word_masking=whole_words,
    )
    for records in make_records(recipe):
        first, second = segment_lengths(records)
        lengths = records["input_mask"].sum(axis=1)
        assert min(first.min(), second.min()) >= 1
        assert (lengths == first + second + 3).all()
        assert lengths.max() == 32
        position = np.arange(32)
        assert (records["input_mask"] == (position < lengths[:, None])).all()
        in_second = (position >= first[:, None] + 2) & (position < lengths[:, None])
        assert (records["segment_ids"] == in_second).all()
        wanted = np.minimum(np.clip(np.rint(lengths * 0.15), 1, 4), first + second)
        assert (records["masked_lm_weights"].sum(axis=1) == wanted).all()
        # Predictions stand first, ascend, and are words.
        weights, positions = records["masked_lm_weights"], records["masked_lm_positions"]
        assert (np.diff(weights, axis=1) <= 0).all()
        assert (np.diff(positions, axis=1)[weights[:, 1:] > 0] > 0).all()
        assert (records["masked_lm_ids"][weights > 0] >= NUM_SPECIALS).all()
        assert not positions[weights == 0].any()


def test_records_without_their_masks_are_the_text(make_records: MakeRecords):
    for records in make_records(RECIPE):
        documents, places = words_of(records)
        ids = unmasked(records)
        neighbours = (places[:, 1:] >= 0) & (places[:, :-1] >= 0)
        assert (np.diff(places, axis=1)[neighbours] == 1).all()
        assert (np.diff(documents, axis=1)[neighbours] == 0).all()
        assert (ids[:, 0] == 2).all()
        assert ((ids == SEP).sum(axis=1) == 2).all()


def test_train_and_heldout_share_no_document(make_records: MakeRecords):
    train, heldout = (
        set(np.unique(words_of(records)[0])) - {-1} for records in make_records(RECIPE)
    )
    assert not train & heldout
    assert train | heldout == set(range(NUM_DOCUMENTS))
    assert len(heldout) == round(0.2 * NUM_DOCUMENTS)


def test_predicted_tokens_are_masked_kept_or_exchanged_as_often_as_they_must(
    make_records: MakeRecords,
):
    train, _ = make_records(RECIPE)
    is_prediction = train["masked_lm_weights"] > 0
    shown = np.take_along_axis(train["input_ids"], train["masked_lm_positions"], axis=1)
    shown, labels = shown[is_prediction], train["masked_lm_ids"][is_prediction]
    num_ids = NUM_SPECIALS + NUM_DOCUMENTS * WORDS_PER_DOCUMENT
    # A random word is any id, the token's own and [MASK] too.
    assert len(shown) > 10_000
    assert_share((shown == MASK).sum(), len(shown), probability=0.8 + 0.1 / num_ids)
    assert_share((shown == labels).sum(), len(shown), probability=0.1 + 0.1 / num_ids)
    random = shown[(shown != MASK) & (shown != labels)]
    assert_fair(np.bincount(random * 20 // num_ids, minlength=20))


def test_words_are_predicted_wherever_they_stand(make_records: MakeRecords):
    train, _ = make_records(RECIPE)
    full = train["input_mask"].all(axis=1)
    first, _ = segment_lengths(train)
    # Without the [SEP] between the segments, whose place differs, positions are 29 equal words.
    positions = train["masked_lm_positions"][full] - 1
    rank = positions - (positions > first[full, None])
    assert_fair(np.bincount(rank.ravel(), minlength=29))


def test_random_next_segments_come_from_all_other_documents_and_places(make_records: MakeRecords):
    """From those of other pieces and portions too: every document is as likely as any other."""
    train, _ = make_records(Recipe(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=15))
    documents, places = words_of(train)
    rows = np.arange(len(documents))
    first, second = (documents[rows, place] for place in first_places(train))
    label = train["next_sentence_labels"][:, 0]
    np.testing.assert_array_equal(first != second, label == 1)
    train_documents = np.unique(first)
    rank = np.searchsorted(train_documents, np.arange(NUM_DOCUMENTS))
    steps = (rank[second] - rank[first])[label == 1] % len(train_documents)
    counts = np.bincount(steps, minlength=len(train_documents))
    assert counts[0] == 0
    assert counts.sum() > 3_000
    assert_fair(counts[1:])
    # Where in its document it begins; sentences differ in length, so roughly.
    begins = places[rows, first_places(train)[1]][label == 1]
    quarters = np.bincount(begins * 4 // WORDS_PER_DOCUMENT, minlength=4) / len(begins)
    assert quarters.min() > 0.2


def test_a_next_segment_follows_in_the_text(make_records: MakeRecords):
    train, _ = make_records(RECIPE)
    _, places = words_of(train)
    rows, (first, _) = np.arange(len(places)), segment_lengths(train)
    is_next = train["next_sentence_labels"][:, 0] == 0
    ends, begins = places[rows, first], places[rows, first + 2]
    gaps = (begins - ends)[is_next]
    assert gaps.min() == 1  # more where the segments were shortened between them
    assert (gaps == 1).mean() > 0.3


def test_short_records_are_as_frequent_as_asked_for(make_records: MakeRecords):
    """Sentences of one word meet a target exactly; only a document's first record surely does."""
    words = [
        [word(document, place) for place in range(WORDS_PER_DOCUMENT)]
        for document in range(NUM_DOCUMENTS)
    ]
    recipe = Recipe(
        max_seq_length=13, max_predictions_per_seq=2, dupe_factor=60, short_seq_prob=0.3
    )
    train, _ = make_records(recipe, "\n\n".join("\n".join(document) for document in words))
    _, places = words_of(train)
    is_first = (places[:, 1] == 0) & (train["next_sentence_labels"][:, 0] == 0)
    lengths = train["input_mask"].sum(axis=1)[is_first] - 3
    assert len(lengths) > 400
    assert set(lengths) == set(range(2, 11))
    # Nine lengths, 2 to 10, are equally likely; the last is not short.
    assert_share((lengths < 10).sum(), len(lengths), probability=0.3 * 8 / 9)


@pytest.mark.parametrize("short_seq_prob", [0.0, 1.0])
def test_no_record_or_every_one_is_short_at_the_ends_of_the_range(
    make_records: MakeRecords, short_seq_prob: float
):
    recipe = Recipe(max_seq_length=32, max_predictions_per_seq=4, short_seq_prob=short_seq_prob)
    train, _ = make_records(recipe)
    mean = train["input_mask"].sum(axis=1).mean()
    assert mean > 28 if short_seq_prob == 0 else mean < 22
