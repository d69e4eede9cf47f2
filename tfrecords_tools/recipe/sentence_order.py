"""ALBERT's sentence order: two consecutive pieces of a document, swapped or not (Lan et al. 2019).

As google-research/albert makes them, but for a chunk of one sentence: that program pairs it with
random text and calls it swapped; here it is cut in two.
"""

import random
from collections.abc import Iterator

from mslt_tf.pretraining_example import IN_ORDER, SWAPPED
from tfrecords_tools.recipe.spans import Span, end_of_chunk


def ordered_pairs(
    starts: list[int], *, target_length: int, rng: random.Random
) -> Iterator[tuple[Span, Span, int] | None]:
    """Yields (first, second, label) of each chunk of a document; every sentence is in one chunk.

    Args:
        starts: [sentences + 1] where each sentence of the document begins, in tokens of the corpus;
            last = its end.
        target_length: tokens that a chunk should have, at least 2.
        rng: the document's.

    Yields:
        The two segments as they stand in the record, not truncated, and IN_ORDER or SWAPPED; None
        for a chunk of a single token, of which no pair can be made.
    """
    begin = 0
    while begin < len(starts) - 1:
        end = end_of_chunk(starts, begin, target_length=target_length)
        yield _divide(starts[begin : end + 1], rng)
        begin = end


def _divide(starts: list[int], rng: random.Random) -> tuple[Span, Span, int] | None:
    """Cuts one chunk, given by the starts of its sentences and its end, into a pair."""
    begin, *between, end = starts
    if end - begin == 1:
        return None
    # A single sentence has no inner boundary: it is cut at any token.
    cut = rng.choice(between) if between else rng.randint(begin + 1, end - 1)
    earlier, later = Span(begin, cut - begin), Span(cut, end - cut)
    # Swapped before the truncation, which treats first and second unlike: otherwise it would show
    # which of them comes earlier in the text.
    if rng.random() < 0.5:
        return later, earlier, SWAPPED
    return earlier, later, IN_ORDER
