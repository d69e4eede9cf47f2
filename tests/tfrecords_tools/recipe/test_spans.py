"""Truncation of a pair, held against the original program's loop."""

import random

import pytest

from tests.tfrecords_tools.fair_share import assert_share
from tfrecords_tools.recipe import spans
from tfrecords_tools.recipe.spans import Span


def truncated_lengths(first: int, second: int, max_num_tokens: int) -> tuple[int, int]:
    """The original's loop: one token at a time, from the longer; of equals, from the second."""
    while first + second > max_num_tokens:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


@pytest.mark.parametrize("max_num_tokens", [2, 3, 10, 29])
def test_truncation_takes_from_the_longer_until_both_fit(max_num_tokens: int):
    rng = random.Random(0)
    for first in range(1, 40):
        for second in range(1, 40):
            pair = spans.truncate_pair(
                Span(100, first), Span(500, second), max_num_tokens=max_num_tokens, rng=rng
            )
            expected = truncated_lengths(first, second, max_num_tokens)
            assert (pair[0].length, pair[1].length) == expected
            assert 100 <= pair[0].start <= 100 + first - pair[0].length
            assert 500 <= pair[1].start <= 500 + second - pair[1].length


def test_truncation_tosses_a_coin_for_each_token():
    rng = random.Random(0)
    fronts = []
    for _ in range(500):
        span, _ = spans.truncate_pair(Span(0, 60), Span(0, 5), max_num_tokens=25, rng=rng)
        fronts.append(span.start)
    assert_share(sum(fronts), 500 * 40, probability=0.5)
    # Of 40 coins, 6 to 34 are heads but once in 200,000 times.
    assert 6 <= min(fronts) < 15
    assert 25 < max(fronts) <= 34
