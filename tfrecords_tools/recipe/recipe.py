"""Sentence pairs: which tokens of which document stand in which record.

The recipe is that of Devlin et al. 2018 as google-research/bert runs it, or with ALBERT's sentence
order (see sentence_order.py) in the place of its next sentence. It is a pure function of
(documents, seed): every (pass, document) has a random stream of its own, so the pairs do not
depend on the order, the process or the machine they are made in.

All sentences lie one behind the other in one token array. A segment is a run of whole sentences
of one document, shortened at its ends, so two numbers describe it and no token is copied.
"""

import bisect
import dataclasses
import random
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import IS_NEXT, IS_RANDOM_NEXT, SentenceObjective
from tfrecords_tools.recipe.sentence_order import ordered_pairs
from tfrecords_tools.recipe.spans import Span, end_of_chunk, truncate_pair

NUM_PAIR_SPECIALS = 3  # [CLS] first [SEP] second [SEP]
MIN_SEQ_LENGTH = NUM_PAIR_SPECIALS + 2  # one token for each segment

_MaxSeqLength = Annotated[
    int, Bounds(at_least=MIN_SEQ_LENGTH, hint="A record has three special tokens and two segments.")
]
_ShortSeqProb = Annotated[float, Bounds(at_least=0, at_most=1, hint="BERT's value is 0.1.")]
_MaskedLmProb = Annotated[float, Bounds(at_least=0, at_most=1, hint="BERT's value is 0.15.")]

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


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings that records depend on, by BERT's names."""

    max_seq_length: _MaxSeqLength = 128  # tokens, the three special ones included
    max_predictions_per_seq: PositiveInt = 20
    dupe_factor: PositiveInt = 10  # passes over each document, with other pairs and masks
    short_seq_prob: _ShortSeqProb = 0.1  # of a (pass, document) to aim at shorter records
    masked_lm_prob: _MaskedLmProb = 0.15  # of a token to be predicted
    random_seed: NonNegativeInt = 12345
    sentence_objective: SentenceObjective = "nsp"  # BERT's next sentence; "sop": ALBERT's order
    whole_word_masking: bool = False  # all pieces of a word together, or each token for itself

    def __post_init__(self) -> None:
        check_numbers(self, prefix="--")
        objectives = get_args(SentenceObjective)
        if self.sentence_objective not in objectives:
            raise UserError(
                f"--sentence_objective is {self.sentence_objective!r}; it must be "
                f"{' or '.join(objectives)}. BERT's is nsp, ALBERT's sop."
            )


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Tokenised documents. No sentence and no document is empty."""

    tokens: npt.NDArray[np.int32]  # [tokens], of all documents in order
    sentence_starts: npt.NDArray[np.int64]  # [sentences + 1], into tokens; last = their number
    document_starts: npt.NDArray[np.int64]  # [documents + 1], into sentences; last = their number

    @property
    def num_documents(self) -> int:
        """How many documents there are."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """How many sentences there are."""
        return len(self.sentence_starts) - 1


def least_documents(sentence_objective: SentenceObjective) -> tuple[int, str]:
    """Returns how many documents a split takes at least, and why."""
    if sentence_objective == "sop":
        return 1, "no document is in both splits"
    return 2, "a random next sentence comes from another document of the same split"


def split_documents(
    num_documents: int,
    *,
    heldout_fraction: float,
    seed: int,
    sentence_objective: SentenceObjective = "nsp",
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the indices of the (train, held-out) documents, each ascending.

    With "nsp" a split that exists has at least two documents, because a random next sentence comes
    from another document of the same split; with "sop" one is enough.

    Raises:
        UserError: there are too few documents for that.
    """
    least, reason = least_documents(sentence_objective)
    num_heldout = max(least, round(num_documents * heldout_fraction)) if heldout_fraction else 0
    needed = 2 * least if num_heldout else least
    if num_documents - num_heldout < least:
        advice = "or set --heldout_fraction=0 " if num_documents >= least and num_heldout else ""
        raise UserError(
            f"The input holds {num_documents} document(s) with text; it takes at least {needed}, "
            f"because {reason}. "
            f"Give more documents {advice}(a blank line ends a document in plain text)."
        )
    order = _generator(f"{seed}/split").permutation(num_documents)
    return np.sort(order[num_heldout:]), np.sort(order[:num_heldout])


def count_tokens(corpus: Corpus, documents: npt.NDArray[np.int64]) -> int:
    """Returns how many tokens the documents with these indices have."""
    starts = corpus.sentence_starts[corpus.document_starts]  # [documents + 1], into tokens
    return int(np.diff(starts)[documents].sum())


def _generator(key: str) -> np.random.Generator:
    """Returns a generator of its own for every purpose that is named by `key`."""
    return np.random.default_rng(list(key.encode()))


class DocumentPairs(NamedTuple):
    """What one pass makes of one document."""

    pairs: npt.NDArray[Any]  # PAIR_DTYPE [records]; may be empty with "sop" only
    num_left_out: int  # single tokens, which make no pair; 0 with "nsp"


def make_pairs(
    corpus: Corpus, documents: npt.NDArray[np.int64], *, recipe: Recipe, num_passes: int
) -> Iterator[DocumentPairs]:
    """Yields the records of each (pass, document), before masking and shuffling.

    Args:
        corpus: all documents.
        documents: [split] indices of those to read; random next sentences come from them too.
        recipe: lengths and probabilities.
        num_passes: how often to go over the documents.
    """
    for pass_index in range(num_passes):
        for rank in range(len(documents)):
            yield pairs_of_document(corpus, documents, rank, recipe=recipe, pass_index=pass_index)


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
