"""Batches by length, by their properties."""

import numpy as np
import pytest

from mslt_tf.finetuning import length_batches
from mslt_tf.finetuning.sequences import Sequences

# Lengths as of sentences: many short ones, few long ones.
LENGTHS = np.clip(np.random.default_rng(1).lognormal(3, 0.6, 3_001), 4, 128).astype(np.int64)


def batches(*, seed=0, epoch=0, lengths=LENGTHS):
    found = length_batches.epoch_batches(lengths, batch_size=32, seed=seed, epoch=epoch)
    return [batch.tolist() for batch in found]


@pytest.mark.parametrize("num_examples", [1, 31, 64, 3_001])
def test_each_example_comes_once_and_all_batches_but_one_are_full(num_examples):
    found = batches(lengths=LENGTHS[:num_examples])
    assert sorted(np.concatenate(found)) == list(range(num_examples))
    sizes = sorted((len(batch) for batch in found), reverse=True)
    assert sizes[:-1] == [32] * (len(sizes) - 1)


def test_seed_and_epoch_decide_the_order():
    assert batches(seed=3, epoch=1) == batches(seed=3, epoch=1)
    different = [batches(), batches(seed=1), batches(epoch=1), batches(seed=1, epoch=1)]
    first = {tuple(each[0]) for each in different}
    assert len(first) == 4


def test_the_order_of_lengths_tells_nothing():
    """Else a model would see long sequences last."""
    means = [LENGTHS[batch].mean() for batch in batches()]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_padding_is_little_where_that_of_random_batches_is_much():
    found = [np.array(batch) for batch in batches()]
    tokens = padded = 0
    for batch in found:
        longest = max(LENGTHS[index] for index in batch)
        padded += len(batch) * (longest + longest % 2)
        tokens += sum(LENGTHS[index] for index in batch)
    sequences = Sequences.of([(np.zeros(length), np.zeros(length)) for length in LENGTHS])
    share = length_batches.padding_share(sequences, found)
    assert share == pytest.approx(1 - tokens / padded)
    random = np.array_split(np.random.default_rng(0).permutation(3_001), len(found))
    assert share < 0.2 < 0.5 < length_batches.padding_share(sequences, random)


def test_sorted_batches_begin_with_the_longest():
    found = length_batches.sorted_batches(LENGTHS, batch_size=100)
    order = np.concatenate(found)
    assert sorted(order.tolist()) == list(range(3_001))
    assert (np.diff(LENGTHS[order]) <= 0).all()
