"""Batches as a function of (seed, position), read in one lane by one worker.

Several are in test_shared_reading.py.
"""

import dataclasses
import itertools

import numpy as np
import pytest

from mslt_tf.records import (
    block_reading,
    dynamic_masking,
    input_pipeline,
    record_facts,
    record_files,
    record_order,
)
from tests import tiny

SIZES = (7, 5, 11)
NUM_RECORDS = sum(SIZES)
TOKEN = dynamic_masking.Masking(cls_id=2, sep_id=3, mask_id=4, vocab_size=tiny.VOCAB_SIZE)
WHOLE_WORD = dataclasses.replace(TOKEN, continuation_ids=tuple(range(30, tiny.VOCAB_SIZE)))


@pytest.fixture(autouse=True)
def one_lane(monkeypatch):
    """Where there are more, batches of another size come in another order."""
    monkeypatch.setattr(record_order, "MAX_LANES", 1)
    monkeypatch.setattr(block_reading, "PIECE", 4)  # so that blocks are read in several


@pytest.fixture(params=["", pytest.param("GZIP", marks=pytest.mark.slow)])
def records(request, tmp_path, monkeypatch):
    """23 records in three files; every token of a record is its number."""
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 1_000)  # some three records
    numbers = itertools.count(5)
    for index, size in enumerate(SIZES):
        shard = [tiny.numbered_record(next(numbers)) for _ in range(size)]
        tiny.write_shard(tmp_path / f"{index}.tfrecord", shard, compression=request.param)
    return record_files.open_records(
        [str(tmp_path / "*.tfrecord")],
        cache_path=str(tmp_path / "facts.json"),
        report=lambda line: None,
    )


def read(records, *, seed=0, position=0, batch_size=1, count=NUM_RECORDS):
    """Returns the numbers of `count` records from `position` on."""
    batches = input_pipeline.training_batches(
        records, seed=seed, first_position=position, batch_size=batch_size
    )
    rows = batches.unbatch().take(count)
    return [int(row["input_ids"][0]) - 5 for row in rows.as_numpy_iterator()]


def test_every_epoch_holds_each_record_once_in_an_order_of_its_own(records):
    three_epochs = read(records, count=3 * NUM_RECORDS)
    epochs = [three_epochs[i * NUM_RECORDS : (i + 1) * NUM_RECORDS] for i in range(3)]
    assert all(sorted(epoch) == list(range(NUM_RECORDS)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert epochs[1] != epochs[2]
    assert epochs[0] != sorted(epochs[0])


def test_reading_from_a_position_gives_what_reading_on_would_have_given(records):
    whole = read(records, count=230)
    for position in (1, 4, 6, 22, 23, 24, 40, 200):
        assert read(records, position=position, count=30) == whole[position : position + 30]


def test_batch_size_does_not_change_the_order(records):
    one_by_one = read(records, count=60)
    for batch_size in (2, 5, 23, 50):
        assert read(records, batch_size=batch_size, count=60) == one_by_one


def test_the_seed_decides_the_order(records):
    ones, ones_again, twos = (read(records, seed=seed) for seed in (1, 1, 2))
    assert ones == ones_again
    assert ones != twos


@pytest.mark.parametrize("masking", [None, TOKEN], ids=["stored", "dynamic"])
def test_a_batch_has_the_types_and_shapes_it_promises(records, masking):
    batches = input_pipeline.training_batches(
        records, seed=0, first_position=0, batch_size=6, masking=masking
    )
    assert {name: spec.shape for name, spec in batches.element_spec.items()} == {
        name: value.shape for name, value in next(iter(batches)).items()
    }
    batch = next(iter(batches))
    described = {name: (value.dtype.name, value.shape.as_list()) for name, value in batch.items()}
    assert described == {
        "input_ids": ("int32", [6, 16]),
        "input_mask": ("int32", [6, 16]),
        "segment_ids": ("int32", [6, 16]),
        "masked_lm_positions": ("int32", [6, 4]),
        "masked_lm_ids": ("int32", [6, 4]),
        "masked_lm_weights": ("float32", [6, 4]),
        "next_sentence_labels": ("int32", [6]),
    }


@pytest.mark.parametrize(("batch_size", "num_replicas"), [(4, 1), (4, 2), (23, 1), (5, 3), (40, 1)])
def test_evaluation_reads_each_record_once_and_fills_up_with_nothing(
    records, batch_size, num_replicas
):
    share = input_pipeline.Share(num_replicas=num_replicas)
    dataset = input_pipeline.evaluation_batches(records, batch_size=batch_size, share=share)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) % num_replicas == 0
    assert all(len(batch["input_ids"]) == batch_size for batch in batches)
    seen = [
        (int(ids[0]) - 5, weight)
        for batch in batches
        for ids, weight in zip(batch["input_ids"], batch["example_weights"], strict=True)
    ]
    assert seen[:NUM_RECORDS] == [(number, 1.0) for number in range(NUM_RECORDS)]
    assert all(weight == 0 for _, weight in seen[NUM_RECORDS:])
    filling = [batch["masked_lm_weights"][batch["example_weights"] == 0] for batch in batches]
    assert sum(part.sum() for part in filling) == 0


def test_blocks_at_a_position_are_those_that_are_read_there(records):
    numbers = iter(range(NUM_RECORDS))
    block_of = {
        next(numbers): index
        for index, block in enumerate(records.blocks)
        for _ in range(block.num_records)
    }
    for position in (0, 3, 20, 30):
        read_here = {block_of[number] for number in read(records, position=position, count=6)}
        found = input_pipeline.blocks_at(
            records, seed=0, position=position, num_records=6, batch_size=1
        )
        assert read_here == set(found)
        assert len(found) == len(set(found))
    found = input_pipeline.blocks_at(records, seed=0, position=3, num_records=10_000, batch_size=1)
    assert sorted(found) == list(range(len(records.blocks)))  # each once, over many epochs


@pytest.fixture
def open_long_shards(tmp_path, monkeypatch):
    """A function that writes 23 long records in three files, of some blocks each, and opens them.

    It is told how to make a record of a random generator.
    """

    def write_and_open(make):
        for index, size in enumerate(SIZES):
            shard = [make(np.random.default_rng([index, n])) for n in range(size)]
            tiny.write_shard(tmp_path / f"{index}.tfrecord", shard)
        return record_files.open_records(
            [str(tmp_path / "*.tfrecord")],
            cache_path=str(tmp_path / "facts.json"),
            report=lambda line: None,
        )

    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 1_000)
    return write_and_open


def read_columns(records, *, masking, count, seed=0, position=0, batch_size=5):
    """Returns all columns of `count` records from `position` on."""
    batches = input_pipeline.training_batches(
        records, seed=seed, first_position=position, batch_size=batch_size, masking=masking
    )
    columns = next(iter(batches.unbatch().batch(count)))
    return {name: values.numpy() for name, values in columns.items()}


@pytest.mark.parametrize(
    "masking",
    [pytest.param(TOKEN, id="token", marks=pytest.mark.slow), pytest.param(WHOLE_WORD, id="words")],
)
def test_masks_are_the_same_wherever_reading_begins_and_in_any_batches(open_long_shards, masking):
    records = open_long_shards(tiny.long_record)
    assert len(records.blocks) > len(SIZES)
    whole = read_columns(records, masking=masking, count=80)
    # Within blocks and at their edges; before, at and behind the edges of epochs.
    starts = [(1, 5), (2, 1), (3, 7), (4, 30), (22, 5), (23, 4), (24, 1), (47, 50)]
    for position, batch_size in starts:
        found = read_columns(
            records, masking=masking, count=30, position=position, batch_size=batch_size
        )
        for name, values in whole.items():
            np.testing.assert_array_equal(found[name], values[position : position + 30], name)


def test_only_the_masks_are_others_than_those_stored(open_long_shards):
    records = open_long_shards(tiny.long_record)
    dynamic, static = (read_columns(records, masking=m, count=60) for m in (TOKEN, None))
    for name in ("input_mask", "segment_ids", "next_sentence_labels"):
        np.testing.assert_array_equal(dynamic[name], static[name])
    np.testing.assert_array_equal(dynamic_masking.unmask(dynamic), dynamic_masking.unmask(static))
    assert np.all(np.any(dynamic["input_ids"] != static["input_ids"], axis=1))


def test_no_two_records_and_no_two_epochs_share_their_masks(open_long_shards):
    copy = tiny.long_record(np.random.default_rng(0), input_ids=[9] * tiny.LONG_SEQ_LENGTH)
    records = open_long_shards(lambda rng: copy)  # so that only masks can tell two readings apart
    readings = [
        read_columns(records, masking=TOKEN, count=3 * NUM_RECORDS, seed=seed) for seed in (0, 1)
    ]
    masks = np.concatenate([reading["masked_lm_positions"] for reading in readings])
    assert len(np.unique(masks, axis=0)) == 2 * 3 * NUM_RECORDS
