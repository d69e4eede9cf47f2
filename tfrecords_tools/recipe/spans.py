"""Runs of tokens in a corpus: gathered from whole sentences, shortened until two fit a record."""

import bisect
import random
from typing import NamedTuple


class Span(NamedTuple):
    """Tokens start, ..., start + length - 1 of a corpus."""

    start: int
    length: int


def end_of_chunk(starts: list[int], begin: int, *, target_length: int) -> int:
    """Returns the end of the fewest sentences from `begin` on that reach the target, or of all.

    Args:
        starts: [sentences + 1] where each sentence of a document begins, in tokens; last = its end.
        begin: index of the first sentence, one that exists.
        target_length: tokens to reach.

    >>> end_of_chunk([0, 3, 6, 9], 0, target_length=5)
    2
    """
    end = bisect.bisect_left(starts, starts[begin] + target_length, begin + 1)
    return min(end, len(starts) - 1)


def truncate_pair(
    first: Span, second: Span, *, max_num_tokens: int, rng: random.Random
) -> tuple[Span, Span]:
    """Shortens the longer span, token by token, until both together fit.

    Each token goes from the front or from the back with probability 1/2; of two equal spans the
    second loses.
    """
    excess = first.length + second.length - max_num_tokens
    if excess <= 0:
        return first, second
    difference = first.length - second.length
    until_equal = min(excess, abs(difference))
    each, odd = divmod(excess - until_equal, 2)
    first_loss = each + (until_equal if difference > 0 else 0)
    second_loss = each + odd + (until_equal if difference < 0 else 0)
    return _shorten(first, first_loss, rng), _shorten(second, second_loss, rng)


def _shorten(span: Span, loss: int, rng: random.Random) -> Span:
    front = rng.getrandbits(loss).bit_count()  # `loss` fair coins
    return Span(span.start + front, span.length - loss)
