"""ALBERT's sentence-order pairs, held against the paper's rules."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from mslt_tf.pretraining_example import IN_ORDER, SWAPPED
from tests.tfrecords_tools.fair_share import assert_share
from tests.tfrecords_tools.made_corpus import all_made, make_corpus, one_token_sentences
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.pairs import DocumentPairs
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.recipe.sentence_order import ordered_pairs

NUM_DOCUMENTS, NUM_PASSES = 60, 4


def sop(*, max_seq_length: int, short_seq_prob: float = 0.0) -> Recipe:
    return Recipe(
        max_seq_length=max_seq_length, short_seq_prob=short_seq_prob, sentence_objective="sop"
    )


def uneven_corpus() -> Corpus:
    """Documents of 1 to 100 sentences, at most 3,000 tokens; some end in a single token."""
    rng = random.Random(0)
    documents = [
        [rng.randint(1, 30) for _ in range(rng.randint(1, 100))] for _ in range(NUM_DOCUMENTS)
    ]
    return make_corpus([document + [1] * rng.randint(0, 1) for document in documents])


def in_text_order(pair: np.void) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns (start, end) of both segments, the label's swap undone."""
    first, second = (
        (int(pair[f"{name}_start"]), int(pair[f"{name}_start"] + pair[f"{name}_length"]))
        for name in ("first", "second")
    )
    return (second, first) if pair["sentence_label"] == SWAPPED else (first, second)


@pytest.fixture(scope="module")
def untruncated() -> list[DocumentPairs]:
    """Of each (pass, document); the aims differ, and each document fits into a record."""
    return all_made(
        uneven_corpus(), sop(max_seq_length=3_003, short_seq_prob=1.0), num_passes=NUM_PASSES
    )


def test_pairs_put_in_order_are_each_document_from_begin_to_end(untruncated: list[DocumentPairs]):
    corpus = uneven_corpus()
    edges = corpus.sentence_starts[corpus.document_starts]
    assert len(untruncated) == NUM_PASSES * NUM_DOCUMENTS
    assert sum(len(made.pairs) > 1 for made in untruncated) > 50
    assert 0 < sum(made.num_left_out for made in untruncated) < len(untruncated)
    for index, made in enumerate(untruncated):
        place, end = edges[index % NUM_DOCUMENTS : index % NUM_DOCUMENTS + 2]
        for pair in made.pairs:
            earlier, later = in_text_order(pair)
            assert earlier[0] == place < earlier[1] == later[0] < later[1]
            place = later[1]
        # A single token can be left over, by the last chunk only.
        assert place == end - made.num_left_out
        assert made.num_left_out in (0, 1)


def test_segments_are_whole_sentences_unless_there_is_but_one(untruncated: list[DocumentPairs]):
    boundaries = set(uneven_corpus().sentence_starts.tolist())
    num_single = 0
    for made in untruncated:
        for pair in made.pairs:
            (begin, cut), (_, end) = in_text_order(pair)
            assert {begin, end} <= boundaries
            is_single = boundaries.isdisjoint(range(begin + 1, end))
            assert (cut in boundaries) != is_single
            num_single += is_single
    assert num_single > 10


def test_half_of_the_pairs_are_swapped_whatever_they_are_made_of():
    for documents in ([[5, 9]] * 2_000, [[14]] * 2_000, [[1, 1]] * 2_000):
        made = all_made(make_corpus(documents), sop(max_seq_length=32))
        labels = [int(pair["sentence_label"]) for each in made for pair in each.pairs]
        assert len(labels) == 2_000
        assert set(labels) == {IN_ORDER, SWAPPED}
        assert_share(labels.count(SWAPPED), 2_000, probability=0.5)


@pytest.mark.parametrize("corpus", [one_token_sentences(2_000, 30), make_corpus([[10]] * 2_000)])
def test_a_chunk_is_cut_at_any_of_its_inner_boundaries_or_tokens(corpus: Corpus):
    # Both chunks have 10 tokens; one has a boundary after each of them, the other has none.
    cuts = Counter()
    for made in all_made(corpus, sop(max_seq_length=13)):
        (begin, cut), _ = in_text_order(made.pairs[0])
        cuts[cut - begin] += 1
    assert set(cuts) == set(range(1, 10))
    for count in cuts.values():
        assert_share(count, 2_000, probability=1 / 9)


def test_a_document_of_one_token_makes_no_pair_and_is_counted():
    made = all_made(make_corpus([[1], [2], [1]]), sop(max_seq_length=32), num_passes=3)
    assert [len(each.pairs) for each in made] == [0, 1, 0] * 3
    assert [each.num_left_out for each in made] == [1, 0, 1] * 3
    assert {each.pairs.dtype for each in made} == {made[1].pairs.dtype}


def test_a_last_token_is_left_out_only_where_it_would_be_alone():
    # The first sentence reaches an aim of 10 tokens by itself, and not one of 11.
    (alone,) = all_made(make_corpus([[10, 1]]), sop(max_seq_length=13))
    assert (len(alone.pairs), alone.num_left_out) == (1, 1)
    (together,) = all_made(make_corpus([[10, 1]]), sop(max_seq_length=14))
    assert (len(together.pairs), together.num_left_out) == (1, 0)
    assert [end - begin for begin, end in in_text_order(together.pairs[0])] == [10, 1]


def test_truncation_does_not_show_the_order():
    # Two sentences of 20 tokens in the place of 21: the second segment loses one more, whichever
    # of the sentences it is, and each loses as much in front as behind.
    corpus = make_corpus([[20, 20]] * 2_000)
    edges = corpus.sentence_starts
    lost_in_front: dict[int, list[int]] = {IN_ORDER: [], SWAPPED: []}
    for document, made in enumerate(all_made(corpus, sop(max_seq_length=24))):
        (pair,) = made.pairs
        assert (pair["first_length"], pair["second_length"]) == (11, 10)
        for (begin, end), sentence in zip(in_text_order(pair), (0, 1), strict=True):
            whole = edges[2 * document + sentence], edges[2 * document + sentence + 1]
            assert whole[0] <= begin < end <= whole[1]
            lost_in_front[int(pair["sentence_label"])].append(begin - int(whole[0]))
    for lost in lost_in_front.values():
        assert_share(sum(lost), 19 * len(lost) // 2, probability=0.5)


def test_long_sentences_and_short_aims_never_overfill_a_record():
    for made in all_made(uneven_corpus(), sop(max_seq_length=20, short_seq_prob=0.5)):
        for pair in made.pairs:
            assert pair["first_length"] + pair["second_length"] <= 17
            assert min(pair["first_length"], pair["second_length"]) >= 1
        for before, after in pairwise(made.pairs):
            # No text comes twice in a pass: chunks follow one another.
            assert in_text_order(before)[1][1] <= in_text_order(after)[0][0]


def test_pairs_depend_on_seed_pass_and_document_alone():
    corpus = uneven_corpus()
    recipe = sop(max_seq_length=64)
    made = all_made(corpus, recipe, num_passes=2)
    again = all_made(corpus, recipe, num_passes=2)
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.pairs, other.pairs)
    longest = int(np.argmax([len(each.pairs) for each in made[:NUM_DOCUMENTS]]))
    passes = [made[longest].pairs, made[longest + NUM_DOCUMENTS].pairs]
    assert passes[0]["sentence_label"].tolist() != passes[1]["sentence_label"].tolist()
    assert set(passes[0]["mask_key"]).isdisjoint(passes[1]["mask_key"])


def test_chunks_are_made_of_the_sentences_of_the_given_document_only():
    pairs = list(ordered_pairs([100, 104, 109, 110], target_length=5, rng=random.Random(0)))
    assert pairs[-1] is None  # 109 is alone
    ((first, second, label),) = pairs[:-1]
    spans = {(100, 4), (104, 5)}
    assert {tuple(first), tuple(second)} == spans
    assert (first.start > second.start) == (label == SWAPPED)
