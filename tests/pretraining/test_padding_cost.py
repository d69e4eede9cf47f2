"""What leaving out padding saves, against updates that are drawn, sorted and cut."""

import numpy as np
import pytest

from mslt_tf import cost_model
from mslt_tf.pretraining import padding, padding_cost
from tests import tiny

# Of 512 tokens, in steps of 32: one in three is full, the others have any length.
HISTOGRAM = (10,) * 15 + (85,)
LONG = {
    **tiny.FLAGS,
    "max_position_embeddings": 512,
    "max_seq_length": 512,
    "max_predictions_per_seq": 80,
    "train_batch_size": 64,
    "micro_batch_size": 8,
}


@pytest.mark.parametrize(
    ("seq_length", "lengths"),
    [
        (128, (128,)),
        (512, (128, 256, 384, 512)),
        (1_024, tuple(range(128, 1_025, 128))),
        (1_100, (256, 512, 768, 1_024, 1_100)),
        (2_048, tuple(range(256, 2_049, 256))),
    ],
)
def test_there_are_at_most_eight_lengths(seq_length, lengths):
    assert padding.trimmed_lengths(seq_length) == lengths


def share_left(histogram, number, *, size=8, seq_length=512):
    config = tiny.config(**LONG | {"max_seq_length": seq_length})
    return padding_cost.share_left(
        config.model,
        config.plan.stages[-1],
        histogram,
        num_micro_batches=number,
        micro_batch_size=size,
    )


@pytest.mark.parametrize(("number", "size"), [(2, 32), (4, 16), (8, 8), (3, 1), (64, 32)])
@pytest.mark.parametrize(
    "histogram",
    [
        HISTOGRAM,
        (1,) * 16,
        # One in two, or one in four, is about as long as the edge between two lengths.
        (0,) * 3 + (50, 50) + (0,) * 11,
        (0,) * 7 + (25, 75) + (0,) * 7,
    ],
    ids=["one_in_three_is_full", "any_length", "half_at_an_edge", "quarter_at_an_edge"],
)
def test_the_share_is_that_of_updates_that_are_drawn_sorted_and_cut(histogram, number, size):
    config, rng = tiny.config(**LONG), np.random.default_rng(0)
    shares = np.array(histogram) / sum(histogram)
    steps = rng.choice(16, size=(500_000 // (number * size), number, size), p=shares)
    longest = np.sort(32 * (steps + 1).reshape(len(steps), -1)).reshape(steps.shape).max(axis=-1)
    cut, counts = np.unique(128 * np.ceil(longest / 128), return_counts=True)
    costs = [flops(config, int(length)) for length in cut]
    expected = np.average(costs, weights=counts) / flops(config, 512)
    assert share_left(histogram, number, size=size) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("histogram", "number", "length"),
    [((8,) + (0,) * 15, 4, 128), ((0,) * 3 + (8,) + (0,) * 12, 4, 128), ((0,) * 4 + (8,), 2, 256)],
)
def test_records_of_one_length_are_all_cut_to_the_next_of_the_lengths(histogram, number, length):
    config = tiny.config(**LONG)
    expected = flops(config, length) / flops(config, 512)
    assert share_left(histogram, number) == pytest.approx(expected)


def test_no_length_goes_beyond_that_of_the_records():
    assert share_left((0, 0, 0, 0, 2), 2, seq_length=150) == 1


def flops(config, length):
    plan = tiny.config(**{**LONG, "max_seq_length": length}).plan
    return cost_model.stage_cost(config.model, plan.stages[-1]).flops


@pytest.mark.parametrize(
    ("changes", "histogram"),
    [
        ({"trim_padding": False}, HISTOGRAM),
        ({"distribution_strategy": "tpu"}, HISTOGRAM),
        ({"micro_batch_size": 0}, HISTOGRAM),
        ({"max_seq_length": 128}, HISTOGRAM[:4]),
        ({}, ()),
    ],
    ids=["off", "tpu", "one_micro_batch", "short", "unknown_lengths"],
)
def test_nothing_is_said_where_nothing_is_left_out_or_known(changes, histogram):
    config = tiny.config(**LONG | changes)
    histograms = {config.plan.stages[0].seq_length: histogram}
    assert list(padding_cost.describe(config, histograms, num_replicas=1)) == []


def test_each_stage_is_told_with_what_is_left():
    config = tiny.config(**LONG)
    lines = list(padding_cost.describe(config, {512: HISTOGRAM}, num_replicas=2))
    assert len(lines) == len(config.plan.stages)
    assert lines[-1].startswith(
        "joint: sorted by length, its 4 micro-batches are cut to multiples of 128 tokens,"
    )
