"""BERT's next-sentence pairs, held against the paper's and the original program's rules."""

import hashlib
import random
from collections import Counter

import numpy as np
import pytest

from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import SentenceObjective
from tests.tfrecords_tools.fair_share import assert_share
from tests.tfrecords_tools.made_corpus import (
    all_made,
    document_of,
    make_corpus,
    one_token_sentences,
)
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.document_split import split_documents
from tfrecords_tools.recipe.pairs import _random_next, pairs_of_document
from tfrecords_tools.recipe.recipe import Recipe


def all_pairs(corpus: Corpus, settings: Recipe, *, num_passes: int = 1) -> list[np.ndarray]:
    return [made.pairs for made in all_made(corpus, settings, num_passes=num_passes)]


def uneven_corpus() -> Corpus:
    rng = random.Random(0)
    return make_corpus([[rng.randint(1, 30) for _ in range(rng.randint(1, 40))] for _ in range(50)])


def test_each_record_begins_where_the_sentences_used_before_end():
    corpus = uneven_corpus()
    # Long enough that nothing is truncated and every chunk is all that is left of a document.
    documents = all_pairs(corpus, Recipe(max_seq_length=10_000, short_seq_prob=0.0))
    sentence_starts = set(corpus.sentence_starts.tolist())
    assert any(pair["sentence_label"] for pairs in documents for pair in pairs[:-1])
    for document, pairs in enumerate(documents):
        begin, end = corpus.sentence_starts[corpus.document_starts[document : document + 2]]
        for pair in pairs:
            assert pair["first_start"] == begin
            begin += pair["first_length"]
            assert int(begin) in sentence_starts
            if not pair["sentence_label"]:
                assert pair["second_start"] == begin
                begin += pair["second_length"]
        assert begin == end


def test_random_next_sentences_are_whole_and_enough_for_the_target():
    corpus = make_corpus([[7, 5, 3, 8, 2, 9] * 40] * 6)
    starts = set(corpus.sentence_starts.tolist())
    ends = set(corpus.sentence_starts[corpus.document_starts[1:]].tolist())
    rng = random.Random(1)
    for target in range(1, 60):
        span = _random_next(corpus, np.arange(6), 2, target_length=target, rng=rng)
        stop = span.start + span.length
        assert {span.start, stop} <= starts
        # Enough, and without the last sentence (9 tokens at most) not enough.
        assert target <= span.length < target + 9 or stop in ends


def test_a_random_next_sentence_is_always_of_another_document():
    corpus = uneven_corpus()
    partners = set()
    for pairs in all_pairs(corpus, Recipe(max_seq_length=32), num_passes=3):
        for pair in pairs:
            first = document_of(corpus, pair["first_start"])
            second = document_of(corpus, pair["second_start"])
            assert (first != second) == pair["sentence_label"]
            if pair["sentence_label"]:
                partners.add(second)
    assert partners == set(range(50))


def test_partners_come_from_the_given_documents_only():
    corpus = uneven_corpus()
    documents = np.array([3, 17, 40])
    seen = set()
    settings = Recipe(max_seq_length=32)
    for made in all_made(corpus, settings, num_passes=4, documents=documents):
        for pair in made.pairs:
            seen |= {document_of(corpus, pair[name]) for name in ("first_start", "second_start")}
    assert seen == {3, 17, 40}


def test_half_of_the_chunks_get_a_random_next_and_all_of_one_sentence_do():
    first = [pairs[0] for pairs in all_pairs(one_token_sentences(2_000, 40), Recipe())]
    assert_share(sum(pair["sentence_label"] for pair in first), 2_000, probability=0.5)
    single = all_pairs(make_corpus([[60]] * 20), Recipe())
    assert all(pairs["sentence_label"].all() and len(pairs) == 1 for pairs in single)


def test_short_records_are_aimed_at_with_their_probability_and_all_lengths():
    # Sentences of one token meet a target exactly; only the first record's is surely not the rest
    # of a document, nor is a partner's end near.
    max_num_tokens = 20
    settings = Recipe(max_seq_length=max_num_tokens + 3, short_seq_prob=0.3)
    first = [pairs[0] for pairs in all_pairs(one_token_sentences(3_000, 400), settings)]
    targets = [
        int(pair["first_length"] + pair["second_length"])
        for pair in first
        if not pair["sentence_label"]
    ]
    assert set(targets) == set(range(2, max_num_tokens + 1))
    short = [target for target in targets if target < max_num_tokens]
    # 19 lengths, 2 to 20, are equally likely; the last is not short.
    assert_share(len(short), len(targets), probability=0.3 * 18 / 19)
    assert_share(sum(target <= 10 for target in short), len(short), probability=9 / 18)


def test_the_first_segment_ends_anywhere_before_the_last_sentence():
    settings = Recipe(max_seq_length=13, short_seq_prob=0.0)
    ends = Counter(
        int(pairs[0]["first_length"])
        for pairs in all_pairs(one_token_sentences(2_000, 30), settings)
    )
    assert set(ends) == set(range(1, 10))
    for count in ends.values():
        assert_share(count, 2_000, probability=1 / 9)


def test_no_pair_is_empty_or_too_long():
    settings = Recipe(max_seq_length=20, short_seq_prob=0.5)
    for pairs in all_pairs(uneven_corpus(), settings, num_passes=5):
        lengths = pairs["first_length"] + pairs["second_length"]
        assert lengths.max() <= 17
        assert min(pairs["first_length"].min(), pairs["second_length"].min()) >= 1


def test_a_document_has_the_same_pairs_in_whatever_order_they_are_made():
    corpus = uneven_corpus()
    documents = np.arange(corpus.num_documents)
    made = all_pairs(corpus, Recipe(), num_passes=2)
    for pass_index, rank in [(1, 49), (0, 7), (1, 0)]:
        again = pairs_of_document(corpus, documents, rank, recipe=Recipe(), pass_index=pass_index)
        np.testing.assert_array_equal(again.pairs, made[pass_index * 50 + rank])


def test_passes_and_seeds_give_other_pairs():
    corpus = uneven_corpus()
    made = all_pairs(corpus, Recipe(), num_passes=2)
    other_seed = all_pairs(corpus, Recipe(random_seed=1))
    assert set(made[3]["mask_key"]).isdisjoint(made[53]["mask_key"])
    assert set(made[3]["mask_key"]).isdisjoint(other_seed[3]["mask_key"])


@pytest.mark.parametrize(
    ("objective", "num_records", "expected"),
    [
        ("nsp", 1_024, "3f865e13a49f3fac38786c0c03d63ad8cf9dac92a92767334517a55de3258d3a"),
        ("sop", 748, "c98034c95a767ca3c637946776b10b1422683109e36d6d8a7ddcb4e249e7ea2e"),
    ],
)
def test_the_pairs_of_a_seed_stay_as_they_are(
    objective: SentenceObjective, num_records: int, expected: str
):
    """Whoever makes a data set anew must get the same bytes; a change here breaks that promise."""
    settings = Recipe(max_seq_length=64, sentence_objective=objective)
    made = all_pairs(uneven_corpus(), settings, num_passes=3)
    shuffled = np.random.default_rng(list(b"12345/shuffle/train")).permutation(np.concatenate(made))
    rows = [[int(value) for value in pair] for pair in shuffled.tolist()]
    assert len(rows) == num_records
    assert hashlib.sha256(repr(rows).encode()).hexdigest() == expected


def test_documents_are_split_without_overlap_by_the_seed():
    train, heldout = split_documents(1_000, heldout_fraction=0.05, seed=3)
    assert len(heldout) == 50
    assert sorted([*train, *heldout]) == list(range(1_000))
    again = split_documents(1_000, heldout_fraction=0.05, seed=3)[1]
    other = split_documents(1_000, heldout_fraction=0.05, seed=4)[1]
    assert heldout.tolist() == again.tolist() != other.tolist()


def test_a_heldout_split_has_two_documents_or_none():
    assert len(split_documents(4, heldout_fraction=0.01, seed=0)[1]) == 2
    assert len(split_documents(2, heldout_fraction=0.0, seed=0)[1]) == 0


@pytest.mark.parametrize(
    ("num_documents", "heldout_fraction", "message"),
    [
        (1, 0.0, r"holds 1 document\(s\).*at least 2.*comes from another document"),
        (1, 0.1, r"holds 1 document\(s\).*at least 4.*comes from another document"),
        (3, 0.1, r"holds 3 document\(s\).*at least 4.*--heldout_fraction=0"),
    ],
)
def test_too_few_documents_are_refused(num_documents: int, heldout_fraction: float, message: str):
    with pytest.raises(UserError, match=message):
        split_documents(num_documents, heldout_fraction=heldout_fraction, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_seq_length": 4},
        {"max_predictions_per_seq": 0},
        {"dupe_factor": 0},
        {"random_seed": -1},
        {"short_seq_prob": 1.5},
        {"masked_lm_prob": -0.1},
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(wrong: dict[str, float]):
    ((name, value),) = wrong.items()
    with pytest.raises(UserError, match=f"--{name} is {value}. Use "):
        Recipe(**wrong)  # type: ignore[arg-type]
