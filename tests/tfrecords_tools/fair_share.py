"""Checks a count against a probability."""

import math


def assert_share(count: int, total: int, *, probability: float) -> None:
    """Fails where a fair sample of `total` would fail once in 100,000 runs; seeds are fixed."""
    deviation = math.sqrt(total * probability * (1 - probability))
    assert abs(count - total * probability) < 4.4 * deviation
