"""Reading a file once: what it holds, or which record is at fault."""

import zlib

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.records import record_facts, record_scan
from mslt_tf.records.record_facts import Block
from tests import tiny


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, params=[2, 1_024], ids="batches_of_{}".format)
def batch(request, monkeypatch):
    """How many records are looked at together must make no difference."""
    monkeypatch.setattr(record_scan, "SCAN_BATCH", request.param)


def scan(path):
    return record_scan.scan_file(str(path))


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_facts_are_those_of_all_records_together(tmp_path, rng, compression):
    serialized = [tiny.record(rng, segment_ids=[0] * 16) for _ in range(7)]
    tiny.write_shard(tmp_path / "a", serialized, compression=compression)
    features = [tf.train.Example.FromString(record).features.feature for record in serialized]
    weights = np.array([f["masked_lm_weights"].float_list.value for f in features])
    ids = [f[name].int64_list.value for f in features for name in ("input_ids", "masked_lm_ids")]
    content = b"".join(len(r).to_bytes(8, "little") + r for r in serialized)
    facts = scan(tmp_path / "a")
    assert facts.num_records == 7
    assert facts.num_masked == np.sum(weights == 1) > 7
    assert facts.vocab_size == max(map(max, ids)) + 1
    assert facts.largest_segment == 0
    assert facts.checksum == f"{zlib.crc32(content):08x}"
    tiny.write_shard(tmp_path / "a", [*serialized, tiny.record(rng)], compression=compression)
    assert scan(tmp_path / "a").largest_segment == 1


def test_the_checksum_tells_the_order_and_the_edges_of_records(tmp_path, rng):
    one, two = (tiny.record(rng) for _ in range(2))
    checksums = []
    for records in ([one, two], [two, one], [one], [one, one]):
        tiny.write_shard(tmp_path / "a", records)
        checksums.append(scan(tmp_path / "a").checksum)
    assert len(set(checksums)) == 4


@pytest.mark.parametrize("block_bytes", [1, 700, 1_000, 2_000, 10**6])
def test_a_block_begins_at_the_first_record_behind_a_full_one(
    tmp_path, rng, monkeypatch, block_bytes
):
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", block_bytes)
    serialized = [tiny.record(rng) for _ in range(9)]  # of several sizes
    tiny.write_shard(tmp_path / "a", serialized)
    path, offset, expected = str(tmp_path / "a"), 0, []
    for record in serialized:
        if not expected or offset - expected[-1].byte_offset >= block_bytes:
            expected.append(Block(path, offset, 0))
        last = expected[-1]
        expected[-1] = Block(path, last.byte_offset, last.num_records + 1)
        offset += len(record) + 16
    assert scan(path).blocks == tuple(expected)
    tiny.write_shard(tmp_path / "a", serialized, compression="GZIP")
    assert scan(path).blocks == (Block(path, 0, 9),)


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damage_is_named_with_its_record(tmp_path, rng, damage):
    path = tmp_path / "a.tfrecord"
    serialized = [tiny.record(rng) for _ in range(5)]
    tiny.write_shard(path, serialized)
    content = bytearray(path.read_bytes())
    in_record_3 = sum(len(r) + 16 for r in serialized[:3]) + 40
    if damage == "truncated":
        content = content[:in_record_3]
    else:
        content[in_record_3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.tfrecord is damaged at record 3 \(counted from 0\):"):
        scan(path)


@pytest.mark.parametrize("left", [1, 8, 11, 12, 20])
def test_a_file_that_ends_within_a_record_is_named_wherever_that_is(tmp_path, rng, left):
    path = tmp_path / "a"
    tiny.write_shard(path, [tiny.record(rng)] * 3)
    path.write_bytes(path.read_bytes() + path.read_bytes()[:left])
    with pytest.raises(UserError, match=r"a is damaged at record 3 "):
        scan(path)


def test_damage_of_a_compressed_file_is_named_with_the_record_from_which_on_it_may_be(
    tmp_path, rng
):
    path = tmp_path / "a"
    tiny.write_shard(path, [tiny.record(rng) for _ in range(5)], compression="GZIP")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"is damaged at record \d \(.*, or later, as it is compr"):
        scan(path)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("masked_lm_positions", [1, 2, 16, 0]),
        ("segment_ids", [2] * 16),
        ("next_sentence_labels", [2]),
        ("input_ids", [-1] * 16),
        ("input_ids", [2**31] * 16),
        ("masked_lm_weights", [1, float("nan"), 0, 0]),
    ],
)
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_values_out_of_bounds_are_named_with_their_record(
    tmp_path, rng, feature, value, compression
):
    good = [tiny.record(rng) for _ in range(3)]
    bad = tiny.record(rng, **{feature: value})
    tiny.write_shard(tmp_path / "a", [*good, bad, *good, bad], compression=compression)
    with pytest.raises(UserError, match=rf"a, record 3 .* has {feature} outside 0\.\.\d"):
        scan(tmp_path / "a")


@pytest.mark.parametrize("first", [0, 3])
def test_what_is_no_record_of_bert_is_named(tmp_path, rng, first):
    good = [tiny.record(rng) for _ in range(first)]
    tiny.write_shard(tmp_path / "a", [*good, b"no example", *good])
    message = "does not have the layout of the first record: that has 16 tokens, 4 predictions"
    with pytest.raises(UserError, match=f"a, record {first} .*{message if first else 'is no tf'}"):
        scan(tmp_path / "a")


def test_a_record_of_another_length_is_named_with_what_differs(tmp_path, rng):
    serialized = [tiny.record(rng)] * 4 + [tiny.record(rng, seq_length=20)] + [tiny.record(rng)]
    tiny.write_shard(tmp_path / "a", serialized)
    message = "a, record 4 .* does not have the layout .*: it has 20 tokens, not 16 tokens"
    with pytest.raises(UserError, match=message):
        scan(tmp_path / "a")


def test_intact_files_are_not_accused(tmp_path, rng):
    path = tmp_path / "a"
    tiny.write_shard(path, [tiny.record(rng)] * 5)
    found = scan(path)
    record_scan.check_blocks(found.blocks, found.layout)
    tiny.write_shard(path, [tiny.record(rng)] * 4)
    with pytest.raises(UserError, match="has 4 records, expected 5"):
        record_scan.check_blocks(found.blocks, found.layout)
    tiny.write_shard(path, [tiny.record(rng, seq_length=20)] * 5)
    with pytest.raises(UserError, match="was replaced: its records have 20 tokens, not 16 tokens"):
        record_scan.check_blocks(found.blocks, found.layout)
    path.unlink()
    with pytest.raises(UserError, match="is gone"):
        record_scan.check_blocks(found.blocks, found.layout)
