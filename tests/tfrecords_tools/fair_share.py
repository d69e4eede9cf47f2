"""Checks counts against probabilities. Bounds fail a fair sample once in 100,000 runs or less."""

import math

import numpy as np


def assert_share(count: int, total: int, *, probability: float) -> None:
    """Fails where a fair sample of `total` would fail once in 100,000 runs; seeds are fixed."""
    deviation = math.sqrt(total * probability * (1 - probability))
    assert abs(count - total * probability) < 4.4 * deviation


def assert_fair(counts: np.ndarray) -> None:
    """Fails where the counts of equally likely outcomes differ more than chance lets them."""
    expected = counts.sum() / len(counts)
    assert expected >= 5  # or the bound does not hold
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = len(counts) - 1
    # Wilson and Hilferty 1931: its cube root is about normal.
    spread = 2 / (9 * freedom)
    assert (chi_square / freedom) ** (1 / 3) < 1 - spread + 4.4 * math.sqrt(spread)
