"""Records of blocks as they are stored: whole blocks, and compressed ones in parts."""

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.records import block_reading, record_facts
from mslt_tf.records.record_facts import Block, Layout
from tests import tiny

NUM_RECORDS = 23


@pytest.fixture(params=[1, 5, 1_024], autouse=True, ids="pieces_of_{}".format)
def piece(request, monkeypatch):
    """How many records are looked at together must make no difference."""
    monkeypatch.setattr(block_reading, "PIECE", request.param)


def write(path, *, compression, num_records=NUM_RECORDS):
    """Writes records of several sizes and returns them."""
    records = [f"{number} ".encode() * (number + 1) for number in range(num_records)]
    tiny.write_shard(path, records, compression=compression)
    return records


def read(block, rows, layout):
    """Returns what is read at once, in lists, of the rows of a block."""
    reads = tf.data.Dataset.from_generator(
        lambda: block_reading.parts(block, rows, layout),
        output_signature=block_reading.PART_SIGNATURE,
    )
    read_part = block_reading.read_part
    parts = reads.flat_map(lambda *part: read_part(*part, compression=layout.compression))
    return [part.tolist() for part in parts.as_numpy_iterator()]


@pytest.mark.parametrize("rows", [[0], [22], [5, 4], [22, 0, 21, 1, 11], list(range(23))])
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_rows_come_in_the_order_in_which_they_are_wanted(tmp_path, rows, compression):
    records = write(tmp_path / "a", compression=compression)
    block = Block(str(tmp_path / "a"), 0, NUM_RECORDS)
    found = read(block, np.array(rows), Layout(16, 4, "v1", compression))
    assert found == [[records[row] for row in rows]]


def test_a_block_within_a_file_ends_where_the_next_begins(tmp_path):
    records = write(tmp_path / "a", compression="")
    offset = sum(len(record) + 16 for record in records[:5])
    block = Block(str(tmp_path / "a"), offset, 8)
    rows = np.random.default_rng(0).permutation(8)
    assert read(block, rows, Layout(16, 4, "v1", "")) == [[records[5 + row] for row in rows]]


@pytest.mark.parametrize(
    ("at_once", "sizes"), [(1, [1] * 20), (6, [6, 6, 6, 2]), (20, [20]), (99, [20])]
)
def test_a_compressed_block_is_read_in_parts_and_another_one_at_once(
    tmp_path, monkeypatch, at_once, sizes
):
    rows = np.random.default_rng(0).permutation(NUM_RECORDS)[:20]
    monkeypatch.setattr(Layout, "rows_held", at_once)
    for compression, expected in (("GZIP", sizes), ("", [20])):
        records = write(tmp_path / "a", compression=compression)
        block = Block(str(tmp_path / "a"), 0, NUM_RECORDS)
        found = read(block, rows, Layout(16, 4, "v1", compression))
        assert [len(part) for part in found] == expected
        assert [record for part in found for record in part] == [records[row] for row in rows]


@pytest.mark.parametrize("compression", ["", "GZIP"])
@pytest.mark.parametrize(
    "lost", [1, 23, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 9))]
)
def test_a_file_that_lost_records_is_named_whichever_are_wanted(tmp_path, compression, lost):
    write(tmp_path / "a", compression=compression, num_records=NUM_RECORDS - lost)
    block = Block(str(tmp_path / "a"), 0, NUM_RECORDS)
    for rows in ([0], [22], [3, 19]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"/a.*has fewer records than it"):
            read(block, np.array(rows), Layout(16, 4, "v1", compression))


@pytest.mark.parametrize(("seq_length", "predictions"), [(128, 20), (512, 80)])
def test_the_largest_records_held_take_no_more_than_a_block(monkeypatch, seq_length, predictions):
    largest = tiny.record(
        np.random.default_rng(0),
        feature_names="v2",  # the longer ones
        seq_length=seq_length,
        predictions=predictions,
        input_ids=[2**21 - 1] * seq_length,
        input_mask=[1] * seq_length,
        masked_lm_positions=[seq_length - 1] * predictions,
        masked_lm_ids=[2**21 - 1] * predictions,
        masked_lm_weights=[1.0] * predictions,
    )
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 100 * len(largest))
    assert 95 <= Layout(seq_length, predictions, "v2", "GZIP").rows_held <= 100
