"""What leaving out padding saves, against updates that are drawn, sorted and cut."""

import numpy as np
import pytest

from mslt_tf import cost_model
from mslt_tf.pretraining import padding_cost
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
    ("histogram", "number", "lengths"),
    [
        ((4, 0, 0, 0, 0, 0, 0, 4), 2, [128, 256]),
        ((4, 0, 0, 0, 1, 0, 0, 3), 2, [128, 256]),
        ((0, 0, 0, 3, 1, 0, 0, 4), 2, [256, 256]),
        ((8, 0, 0, 0, 0, 0, 0, 0), 4, [128] * 4),
        ((0, 0, 0, 0, 0, 0, 0, 8), 1, [256]),
    ],
)
def test_a_micro_batch_is_cut_to_its_longest_sequence(histogram, number, lengths):
    assert padding_cost.trimmed_lengths(histogram, 256, number) == lengths


def test_no_length_goes_beyond_that_of_the_records():
    assert padding_cost.trimmed_lengths((0, 0, 0, 0, 2), 150, 2) == [150, 150]


def test_the_share_is_that_of_updates_that_are_sorted_and_cut():
    config = tiny.config(**LONG)
    stage = config.plan.stages[-1]
    rng = np.random.default_rng(0)
    steps = rng.choice(16, size=(200, 64), p=np.array(HISTOGRAM) / sum(HISTOGRAM))
    longest = np.sort(32 * (steps + 1), axis=1).reshape(200, 8, 8).max(axis=-1)
    cut = 128 * np.ceil(longest / 128)
    expected = np.mean([flops(config, int(length)) for length in cut.flat]) / flops(config, 512)
    left = padding_cost.share_left(config.model, stage, HISTOGRAM, num_micro_batches=8)
    assert left == pytest.approx(expected, rel=0.02)
    assert left < 0.9


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
    assert lines[-1].startswith("joint: its 4 micro-batches go through without ")
