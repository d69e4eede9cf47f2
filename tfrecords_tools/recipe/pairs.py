"""Sentence pairs: which tokens of which document stand in which record.

The recipe is that of Devlin et al. 2018 as google-research/bert runs it, or with ALBERT's sentence
order (see sentence_order.py) in the place of its next sentence. It is a pure function of
(documents, seed): every (pass, document) has a random stream of its own, so the pairs do not
depend on the order, the process or the machine they are made in.

A segment is a run of whole sentences of one document, shortened at its ends, so two numbers
describe it and no token is copied.
"""

import bisect
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mslt_tf.pretraining_example import IS_NEXT, IS_RANDOM_NEXT
from tfrecords_tools.recipe.corpus import Corpus
from tfrecords_tools.recipe.recipe import NUM_PAIR_SPECIALS, Recipe
from tfrecords_tools.recipe.sentence_order import ordered_pairs
from tfrecords_tools.recipe.spans import Span, end_of_chunk, truncate_pair

# One record before masking. Starts count tokens from the begin of `Corpus.tokens`.
PAIR_DTYPE = np.dtype(
    [
        ("first_start", np.int64),
        ("first_length", np.int32),
        ("second_start", np.int64),
        ("second_length", np.int32),
        ("sentence_label", np.uint8),  # IS_NEXT, ... or IN_ORDER, ... by the objective
        ("mask_key", np.uint64),  # the record's own randomness, see masking.py
    ]
)


class DocumentPairs(NamedTuple):
    """What one pass makes of one document."""

    pairs: npt.NDArray[Any]  # PAIR_DTYPE [records]; may be empty with "sop" only
    num_left_out: int  # single tokens, which make no pair; 0 with "nsp"


def pairs_of_document(
    corpus: Corpus,
    documents: npt.NDArray[np.int64],
    rank: int,
    *,
    recipe: Recipe,
    pass_index: int,
) -> DocumentPairs:
    """Returns the records that one pass makes of `documents[rank]`."""
    document = int(documents[rank])
    # A string seeds through SHA-512, so neighbouring passes and documents share nothing.
    rng = random.Random(f"{recipe.random_seed}/{pass_index}/{document}")
    max_num_tokens = recipe.max_seq_length - NUM_PAIR_SPECIALS
    # Drawn once a document, as in BERT; a document's last record is short anyway.
    target_length = max_num_tokens
    if rng.random() < recipe.short_seq_prob:
        target_length = rng.randint(2, max_num_tokens)

    begin, end = corpus.document_starts[document : document + 2]
    starts = corpus.sentence_starts[begin : end + 1].tolist()
    if recipe.sentence_objective == "sop":
        chunks = ordered_pairs(starts, target_length=target_length, rng=rng)
    else:
        chunks = _next_sentence_pairs(
            corpus, documents, rank, starts, target_length=target_length, rng=rng
        )
    pairs, num_left_out = [], 0
    for chunk in chunks:
        if chunk is None:
            num_left_out += 1
            continue
        first, second, label = chunk
        # Alike for both objectives and both labels: which text is gone must not show the order.
        first, second = truncate_pair(first, second, max_num_tokens=max_num_tokens, rng=rng)
        pairs.append((*first, *second, label, rng.getrandbits(64)))
    return DocumentPairs(np.array(pairs, dtype=PAIR_DTYPE), num_left_out)


def _next_sentence_pairs(
    corpus: Corpus,
    documents: npt.NDArray[np.int64],
    rank: int,
    starts: list[int],
    *,
    target_length: int,
    rng: random.Random,
) -> Iterator[tuple[Span, Span, int]]:
    """Yields (first, second, label) of each chunk of `documents[rank]`, not truncated.

    `starts` [sentences + 1] is where its sentences begin, in tokens; last = its end.
    """
    num_sentences = len(starts) - 1
    begin = 0
    while begin < num_sentences:
        end = end_of_chunk(starts, begin, target_length=target_length)
        first_end = begin + 1
        if end - begin >= 2:
            first_end = rng.randint(begin + 1, end - 1)
        first = Span(starts[begin], starts[first_end] - starts[begin])
        if end - begin == 1 or rng.random() < 0.5:
            second = _random_next(
                corpus, documents, rank, target_length=target_length - first.length, rng=rng
            )
            yield first, second, IS_RANDOM_NEXT
            begin = first_end  # the sentences not used are put back
        else:
            yield first, Span(starts[first_end], starts[end] - starts[first_end]), IS_NEXT
            begin = end


def _random_next(
    corpus: Corpus,
    documents: npt.NDArray[np.int64],
    rank: int,
    *,
    target_length: int,
    rng: random.Random,
) -> Span:
    """Returns sentences from a random place of another document, enough for the target if it can.

    google-research/bert tries ten times for another document and then takes the same one; here
    it is always another one.
    """
    other = rng.randrange(len(documents) - 1)
    document = int(documents[other + (other >= rank)])  # steps over `rank` itself
    first_sentence, end = (int(n) for n in corpus.document_starts[document : document + 2])
    begin = rng.randrange(first_sentence, end)
    start = int(corpus.sentence_starts[begin])
    stop = bisect.bisect_left(corpus.sentence_starts, start + target_length, begin + 1, end)
    return Span(start, int(corpus.sentence_starts[stop]) - start)
