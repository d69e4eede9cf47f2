"""Several workers read what one would: the same global batches, of which each opens its part."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.records import dynamic_masking, input_pipeline, record_facts, record_files
from mslt_tf.records.input_pipeline import Share
from mslt_tf.records.record_order import RecordOrder, count_lanes
from tests import tiny

SIZES = (61, 40, 32)
NUM_RECORDS = sum(SIZES)
BATCH_SIZE = 24
ONE_WORKER = Share()
TOKEN = dynamic_masking.Masking(cls_id=2, sep_id=3, mask_id=4, vocab_size=tiny.VOCAB_SIZE)


def write(folder, sizes, *, compression=""):
    """Writes records of which every token is the record's number and 5, and opens them."""
    numbers = itertools.count(5)
    for index, size in enumerate(sizes):
        shard = [tiny.numbered_record(next(numbers)) for _ in range(size)]
        tiny.write_shard(folder / f"{index:02}.tfrecord", shard, compression=compression)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_facts, "BLOCK_BYTES", 1_000)  # some three records
        return record_files.open_records(
            [str(folder / "*.tfrecord")],
            cache_path=str(folder / "facts.json"),
            report=lambda line: None,
        )


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    records = write(tmp_path_factory.mktemp("records"), SIZES)
    assert count_lanes(num_blocks=len(records.blocks), batch_size=BATCH_SIZE) > 6
    return records


def read(records, *, updates, share=ONE_WORKER, position=0, masking=None, batch_size=BATCH_SIZE):
    """Returns what a worker reads: the columns of each of its batches, in a list by update."""
    batches = input_pipeline.training_batches(
        records,
        seed=1,
        first_position=position,
        batch_size=batch_size,
        share=share,
        masking=masking,
    )
    each = batches.take(updates * share.num_replicas).as_numpy_iterator()
    return list(zip(*[each] * share.num_replicas, strict=True))


def numbers_read(records, **options):
    """Returns the numbers of the records of each update, those of one row after those before."""
    return [
        np.concatenate([batch["input_ids"][:, 0] for batch in update]) - 5
        for update in read(records, **options)
    ]


def expected_order(records, *, num_lanes, num_epochs, seed=1):
    """Returns the number of the record at each position, dealt out to lanes one by one."""
    ends = np.cumsum([block.num_records for block in records.blocks])
    order = []
    for epoch in range(num_epochs):
        row = []
        for block in np.random.default_rng([seed, epoch]).permutation(len(ends)):
            size = records.blocks[block].num_records
            places = np.random.default_rng([seed, epoch, int(block)]).permutation(size)
            row.extend(ends[block] - size + places)
        lane_of = [p % num_lanes for p in range(epoch * len(row), (epoch + 1) * len(row))]
        rest = iter(row)
        stretches = [
            iter([next(rest) for _ in range(lane_of.count(lane))]) for lane in range(num_lanes)
        ]
        order.extend(int(next(stretches[lane])) for lane in lane_of)
    return order


@pytest.fixture(scope="module")
def whole(records):
    """What one worker reads in some updates, over the edge of an epoch, masked anew."""
    return read(records, updates=7, masking=TOKEN)


@pytest.mark.parametrize(
    ("num_workers", "num_replicas"),
    [
        *((1, 2), (2, 1), (2, 2), (4, 2)),
        *(pytest.param(*counts, marks=pytest.mark.slow) for counts in ((3, 1), (6, 1))),
    ],
)
def test_workers_share_the_batches_that_one_would_read(records, whole, num_workers, num_replicas):
    shares = [Share(worker, num_workers, num_replicas) for worker in range(num_workers)]
    readings = [read(records, updates=7, masking=TOKEN, share=share) for share in shares]
    for update, (expected,) in enumerate(whole):
        batches = [batch for reading in readings for batch in reading[update]]
        assert {len(batch["input_ids"]) for batch in batches} == {
            BATCH_SIZE // num_workers // num_replicas
        }
        for name, values in expected.items():
            found = np.concatenate([batch[name] for batch in batches])
            np.testing.assert_array_equal(found, values, name)


def test_the_masks_of_a_record_are_those_of_its_position(records, whole):
    num_lanes = count_lanes(num_blocks=len(records.blocks), batch_size=BATCH_SIZE)
    for update, (stored,) in enumerate(read(records, updates=7)):
        here = range(update * BATCH_SIZE, (update + 1) * BATCH_SIZE)
        positions = tf.constant(sorted(here, key=lambda p: (p % num_lanes, p)), tf.int64)
        keys = dynamic_masking.record_keys(positions, seed=1, seq_length=tiny.SEQ_LENGTH)
        expected = dynamic_masking.mask_anew(stored, keys, masking=TOKEN)
        for name, values in expected.items():
            np.testing.assert_array_equal(whole[update][0][name], values, name)


@pytest.mark.parametrize("batch_size", [1, 5, 12, 24], ids="batch_of_{}".format)
def test_each_update_takes_the_next_positions_of_the_order(records, batch_size):
    num_lanes = count_lanes(num_blocks=len(records.blocks), batch_size=batch_size)
    order = expected_order(records, num_lanes=num_lanes, num_epochs=3)
    updates = 2 * NUM_RECORDS // batch_size + 1
    for update, found in enumerate(numbers_read(records, updates=updates, batch_size=batch_size)):
        here = order[update * batch_size : (update + 1) * batch_size]
        by_lane = [here[i::num_lanes] for i in range(num_lanes)]
        assert found.tolist() == list(itertools.chain(*by_lane))  # each update begins with lane 0


@pytest.mark.parametrize("num_lanes", [1, 2, 5, 16])
def test_every_epoch_holds_each_record_once_in_an_order_of_its_own(records, num_lanes):
    sizes = tuple(block.num_records for block in records.blocks)
    starts = np.cumsum((0, *sizes))
    order = RecordOrder(block_sizes=sizes, seed=1, num_lanes=num_lanes)
    lanes = [order.reads(lane, position=0) for lane in range(num_lanes)]
    lanes = [(int(starts[block] + row) for block, rows in lane for row in rows) for lane in lanes]
    found = [next(lanes[position % num_lanes]) for position in range(3 * NUM_RECORDS)]
    epochs = [found[i * NUM_RECORDS : (i + 1) * NUM_RECORDS] for i in range(3)]
    assert all(sorted(epoch) == list(range(NUM_RECORDS)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert found == expected_order(records, num_lanes=num_lanes, num_epochs=3)


def test_whole_files_that_are_compressed_are_shared_too(tmp_path):
    records = write(tmp_path, (3, 4) * 6, compression="GZIP")
    assert (len(records.blocks), records.num_records) == (12, 42)
    shares = [numbers_read(records, updates=7, batch_size=6, share=Share(w, 3)) for w in range(3)]
    both = np.concatenate(shares, axis=1)
    np.testing.assert_array_equal(both, numbers_read(records, updates=7, batch_size=6))
    assert sorted(both.flatten()) == list(range(42))


@pytest.mark.parametrize("position", [24, 120, 144])
def test_reading_from_a_position_gives_what_reading_on_would_have_given(records, whole, position):
    (later,) = read(records, updates=1, position=position, masking=TOKEN)[0]
    (expected,) = whole[position // BATCH_SIZE]
    for name, values in expected.items():
        np.testing.assert_array_equal(later[name], values, name)


@pytest.mark.parametrize("num_lanes", [1, 3, 4])
def test_any_position_is_found_without_what_lies_before_it(num_lanes):
    order = RecordOrder(block_sizes=(3, 0, 1, 7, 2, 5, 4, 1, 2), seed=3, num_lanes=num_lanes)

    def lane_from(lane, position, count):
        reads = order.reads(lane, position=position)
        pairs = ((block, int(row)) for block, rows in reads for row in rows)
        return list(itertools.islice(pairs, count))

    for lane in range(num_lanes):
        from_start = lane_from(lane, 0, 120)
        for position in range(4 * 25):
            before = len(range(lane, position, num_lanes))
            assert lane_from(lane, position, 15) == from_start[before : before + 15]


@pytest.mark.parametrize("position", [0, 7, 24, 1_001])
def test_a_batch_holds_the_next_positions_lane_by_lane(position):
    order = RecordOrder(block_sizes=(100,) * 20, seed=3, num_lanes=4)
    found = order.positions(position, batch_size=24)
    assert sorted(found) == list(range(position, position + 24))
    assert list(found % 4) == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    np.testing.assert_array_equal(order.positions(position + 48, batch_size=24), found + 48)


@pytest.mark.parametrize(
    ("num_blocks", "batch_size", "expected"),
    [
        *[(1, 8, 1), (7, 8, 1), (8, 8, 2), (8, 9, 1), (12, 9, 3), (31, 256, 4), (64, 256, 8)],
        *[(10_000, 1_000, 8), (10_000, 17, 1), (10_000, 4, 4)],
    ],
)
def test_lanes_divide_the_batch_and_have_four_blocks_each(num_blocks, batch_size, expected):
    assert count_lanes(num_blocks=num_blocks, batch_size=batch_size) == expected


@pytest.fixture
def opened(monkeypatch):
    """A list that fills with the blocks that are opened."""
    blocks, reads = [], RecordOrder.reads

    def watched(order, lane, *, position):
        for block, rows in reads(order, lane, position=position):
            blocks.append(block)
            yield block, rows

    monkeypatch.setattr(RecordOrder, "reads", watched)
    return blocks


@pytest.mark.parametrize(("worker", "num_workers"), [(0, 1), (0, 2), (1, 3), (3, 4)])
def test_a_worker_opens_its_part_of_the_blocks(records, opened, worker, num_workers):
    num_blocks, num_epochs, ahead = len(records.blocks), 5, 4
    num_lanes = count_lanes(num_blocks=num_blocks, batch_size=BATCH_SIZE)
    in_lane = BATCH_SIZE // num_lanes
    size = BATCH_SIZE // num_workers
    touched = {slot // in_lane for slot in range(worker * size, (worker + 1) * size)}
    read(records, updates=num_epochs * NUM_RECORDS // BATCH_SIZE, share=Share(worker, num_workers))
    # A lane may share a block with the next one, and reads ahead.
    in_epoch = num_blocks * len(touched) / num_lanes
    assert len(opened) <= num_epochs * (in_epoch + len(touched)) + ahead * len(touched)
    assert len(opened) >= 0.8 * num_epochs * in_epoch


def test_blocks_at_a_position_are_those_of_all_lanes(records):
    num_lanes = count_lanes(num_blocks=len(records.blocks), batch_size=BATCH_SIZE)
    order = expected_order(records, num_lanes=num_lanes, num_epochs=4)
    blocks = np.repeat(
        np.arange(len(records.blocks)), [block.num_records for block in records.blocks]
    )
    for position, num_records in [(0, 1), (0, 24), (100, 50), (133, 24), (203, 3)]:
        found = input_pipeline.blocks_at(
            records, seed=1, position=position, num_records=num_records, batch_size=BATCH_SIZE
        )
        assert sorted(found) == sorted(set(blocks[order[position : position + num_records]]))
    found = input_pipeline.blocks_at(
        records, seed=1, position=5, num_records=10**9, batch_size=BATCH_SIZE
    )
    assert sorted(found) == list(range(len(records.blocks)))


def test_workers_need_not_ask_each_other_whether_there_is_a_batch_left(records):
    batches = input_pipeline.training_batches(
        records, seed=1, first_position=0, batch_size=BATCH_SIZE, share=Share(1, 2, 2)
    )
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


@pytest.mark.parametrize(("num_workers", "num_replicas"), [(5, 1), (2, 8), (1, 7)])
def test_a_batch_that_cannot_be_shared_equally_is_refused(records, num_workers, num_replicas):
    with pytest.raises(ValueError, match=f"24 records are no {num_workers * num_replicas} equal"):
        read(records, updates=1, share=Share(0, num_workers, num_replicas))


@pytest.mark.parametrize(("num_workers", "num_replicas"), [(1, 3), (2, 1), (3, 2), (2, 20)])
def test_workers_share_the_evaluation_of_each_record(records, num_workers, num_replicas):
    def evaluated(share):
        dataset = input_pipeline.evaluation_batches(records, batch_size=4, share=share)
        each = dataset.as_numpy_iterator()
        return list(zip(*[each] * share.num_replicas, strict=True))

    shares = [Share(worker, num_workers, num_replicas) for worker in range(num_workers)]
    steps = zip(*[evaluated(share) for share in shares], strict=True)  # equally many
    batches = [batch for step in steps for part in step for batch in part]
    one = [batch for (batch,) in evaluated(ONE_WORKER)]
    assert len(batches) % (num_workers * num_replicas) == 0
    assert sum(batch["example_weights"].sum() for batch in batches) == NUM_RECORDS
    for name in one[0]:
        expected = np.concatenate([batch[name] for batch in one])
        found = np.concatenate([batch[name] for batch in batches])
        np.testing.assert_array_equal(found[: len(expected)], expected, name)
        assert not found[len(expected) :].any()


def test_a_worker_parses_its_own_records_only(tmp_path):
    records = write(tmp_path, (12, 12))
    path = tmp_path / "00.tfrecord"
    first, *others = (record.numpy() for record in tf.data.TFRecordDataset(str(path)))
    tiny.write_shard(path, [b"x" * len(first), *others])
    found = []
    for worker in range(2):
        try:
            found.append(len(read(records, updates=1, share=Share(worker, 2))))
        except tf.errors.InvalidArgumentError:
            found.append("broken")
    assert sorted(found, key=str) == [1, "broken"]
