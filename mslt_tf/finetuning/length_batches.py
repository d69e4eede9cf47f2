"""Batches of sequences of about the same length, so that little of them is padding.

Sources: the "bucketing" of tf.data and of fairseq; here it is a pure function of lengths and seed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mslt_tf.finetuning.sequences import Sequences

Integers = npt.NDArray[np.integer[Any]]

# Sequence lengths are a multiple of this. A step on a CPU takes time by its tokens, at odd lengths
# too: larger multiples only pad more (8: CoLA by a quarter); 1 would double the number of shapes.
LENGTH_MULTIPLE = 2
# Batches whose sequences are sorted by length together. More save no padding that counts; fewer
# keep the batches of an epoch more varied.
_BATCHES_PER_POOL = 50


def epoch_batches(
    lengths: Integers, *, batch_size: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """Returns the batches of one epoch, each the numbers of its examples.

    All examples are shuffled and cut into pools; within a pool they are sorted by length and cut
    into batches, and at last the batches are shuffled. Each example comes once; one batch may be
    smaller than the others.

    Args:
        lengths: tokens of each example, [examples].
        batch_size: examples of a batch.
        seed: decides the order, together with the epoch.
        epoch: from 0.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    pool_size = batch_size * _BATCHES_PER_POOL
    batches = []
    for pool in _cut(order, pool_size):
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[index] for index in random.permutation(len(batches))]


def sorted_batches(lengths: Integers, *, batch_size: int) -> list[npt.NDArray[np.int64]]:
    """Returns batches of all examples by length, the longest first: for evaluation."""
    return _cut(np.argsort(-lengths, kind="stable"), batch_size)


def padding_share(sequences: Sequences, batches: Sequence[Integers]) -> float:
    """Returns the share of padding among the tokens of all batches."""
    padded = sum(len(batch) * sequences.width(batch, multiple=LENGTH_MULTIPLE) for batch in batches)
    real = sum(int(sequences.lengths[batch].sum()) for batch in batches)
    return 1.0 - real / padded


def _cut(order: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return [order[start : start + size] for start in range(0, len(order), size)]
