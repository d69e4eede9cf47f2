"""Finding, describing and checking record files, ours and others'."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.dataset_info import DatasetInfo, hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.pretraining import record_files, record_scan
from tests import tiny


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def open_records(tmp_path, *patterns):
    lines = []
    records = record_files.open_records(
        [str(pattern) for pattern in patterns],
        cache_path=str(tmp_path / "facts.json"),
        report=lines.append,
    )
    return records, lines


@pytest.mark.parametrize("feature_names", ["v1", "v2"])
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_facts_of_foreign_records_are_read_off_the_files(tmp_path, rng, feature_names, compression):
    serialized = [tiny.record(rng, feature_names=feature_names) for _ in range(7)]
    serialized.append(tiny.record(rng, feature_names=feature_names, masked_lm_ids=[42, 0, 0, 0]))
    tiny.write_shard(tmp_path / "a.tfrecord", serialized, compression=compression)
    records, lines = open_records(tmp_path, tmp_path / "a.tfrecord")
    assert records.layout == record_scan.Layout(
        tiny.SEQ_LENGTH, tiny.PREDICTIONS, feature_names, compression
    )
    assert records.num_records == 8
    largest = max(
        max(tf.train.Example.FromString(r).features.feature[name].int64_list.value)
        for r in serialized
        for name in ("input_ids" if feature_names == "v1" else "input_word_ids", "masked_lm_ids")
    )
    assert records.vocab_size == largest + 1
    assert records.vocab_sha256 == ""
    assert len(lines) == 1


def test_foreign_files_are_read_once_and_again_when_they_change(tmp_path, rng):
    path = tmp_path / "a.tfrecord"
    tiny.write_shard(path, [tiny.record(rng)])
    first, lines = open_records(tmp_path, path)
    assert lines
    again, lines = open_records(tmp_path, path)
    assert not lines
    assert again == first
    tiny.write_shard(path, [tiny.record(rng)] * 2)
    changed, lines = open_records(tmp_path, path)
    assert lines
    assert changed.num_records == 2
    assert changed.fingerprint != first.fingerprint


def test_large_files_are_cut_into_blocks_that_begin_at_records(tmp_path, rng, monkeypatch):
    serialized = [tiny.record(np.random.default_rng(7)) for _ in range(8)]  # of equal size
    three_records = 3 * (len(serialized[0]) + 16)
    monkeypatch.setattr(record_scan, "BLOCK_BYTES", three_records)
    path = tmp_path / "a.tfrecord"
    tiny.write_shard(path, serialized)
    records, _ = open_records(tmp_path, path)
    assert [block.num_records for block in records.blocks] == [3, 3, 2]
    content = path.read_bytes()
    for block, first in zip(records.blocks, (0, 3, 6), strict=True):
        start = block.byte_offset + 12  # behind the length and its CRC
        assert content[start : start + len(serialized[first])] == serialized[first]


def test_described_records_are_not_read(tmp_path, rng):
    tiny.write_shard(tmp_path / "train-0", [tiny.record(rng)] * 5)
    tiny.describe(tmp_path, ["train-0"])
    records, lines = open_records(tmp_path, tmp_path / "train-*")
    assert not lines
    assert (records.num_records, records.vocab_size) == (5, tiny.VOCAB_SIZE)
    assert records.vocab_sha256 == hash_vocabulary(tiny.vocabulary())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("gone/a*", "folder .*gone does not exist"),
        ("empty/a*", "folder .*empty holds no such file"),
        ("empty", "is a folder. Name the files in it"),
    ],
)
def test_missing_data_is_named(tmp_path, pattern, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        open_records(tmp_path, tmp_path / pattern)


def test_a_truncated_described_file_is_found_before_it_is_read(tmp_path, rng):
    path = tmp_path / "train-0"
    tiny.write_shard(path, [tiny.record(rng)] * 5)
    tiny.describe(tmp_path, ["train-0"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"train-0 has \d+ bytes, dataset_info.json says"):
        open_records(tmp_path, path)


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damage_in_a_foreign_file_is_named_with_its_record(tmp_path, rng, damage):
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
    with pytest.raises(UserError, match=r"a\.tfrecord is damaged at record 3 "):
        open_records(tmp_path, path)


def test_a_file_without_records_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="holds no record"):
        open_records(tmp_path, tmp_path / "a")


def test_records_without_a_feature_are_refused_with_the_list(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng, without="next_sentence_labels")])
    with pytest.raises(UserError, match=r"BERT pretraining needs .*next_sentence_labels"):
        open_records(tmp_path, tmp_path / "a")


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("masked_lm_positions", [1, 2, 16, 0]),
        ("segment_ids", [2] * 16),
        ("next_sentence_labels", [2]),
        ("input_ids", [-1] * 16),
        ("masked_lm_weights", [1, float("nan"), 0, 0]),
    ],
)
def test_values_out_of_bounds_are_named_with_their_record(tmp_path, rng, feature, value):
    good = [tiny.record(rng) for _ in range(3)]
    tiny.write_shard(tmp_path / "a", [*good, tiny.record(rng, **{feature: value})])
    with pytest.raises(UserError, match=rf"a, record 3 .* has {feature} outside 0\.\."):
        open_records(tmp_path, tmp_path / "a")


def test_a_large_described_file_is_read_once_to_be_cut(tmp_path, rng, monkeypatch):
    tiny.write_shard(tmp_path / "train-0", [tiny.record(rng) for _ in range(9)])
    tiny.describe(tmp_path, ["train-0"])
    whole, _ = open_records(tmp_path, tmp_path / "train-0")
    monkeypatch.setattr(record_scan, "BLOCK_BYTES", 500)
    cut, lines = open_records(tmp_path, tmp_path / "train-0")
    assert lines
    assert len(cut.blocks) > len(whole.blocks) == 1
    assert (cut.num_records, cut.vocab_size) == (9, tiny.VOCAB_SIZE)
    assert cut.fingerprint == whole.fingerprint
    assert not open_records(tmp_path, tmp_path / "train-0")[1]  # remembered


def test_a_cut_short_memory_of_facts_is_no_hindrance(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    open_records(tmp_path, tmp_path / "a")
    (tmp_path / "facts.json").write_text("{")
    assert open_records(tmp_path, tmp_path / "a")[0].num_records == 1


def test_intact_files_are_not_accused(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)] * 5)
    records, _ = open_records(tmp_path, tmp_path / "a")
    record_scan.check_blocks(records.blocks, records.layout)
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)] * 4)
    with pytest.raises(UserError, match="has 4 records, expected 5"):
        record_scan.check_blocks(records.blocks, records.layout)
    (tmp_path / "a").unlink()
    with pytest.raises(UserError, match="is gone"):
        record_scan.check_blocks(records.blocks, records.layout)


def test_a_record_of_another_length_is_named(tmp_path, rng):
    serialized = [tiny.record(rng)] * 4 + [tiny.record(rng, seq_length=20)] + [tiny.record(rng)]
    tiny.write_shard(tmp_path / "a", serialized)
    with pytest.raises(UserError, match=r"a, record 4 .* does not have the layout"):
        open_records(tmp_path, tmp_path / "a")


def test_files_of_different_layout_cannot_be_one_set(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.write_shard(tmp_path / "b", [tiny.record(rng, seq_length=20)])
    with pytest.raises(UserError, match="same layout"):
        open_records(tmp_path, tmp_path / "?")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format_version": 1}', '{"format_version": 9, "splits": {}}']
)
def test_an_unreadable_info_file_is_named(tmp_path, rng, text):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    (tmp_path / "dataset_info.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset_info\.json"):
        open_records(tmp_path, tmp_path / "a")


def test_info_survives_the_way_to_disk(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.describe(tmp_path, ["a"], settings={"seed": 1})
    text = (tmp_path / "dataset_info.json").read_text()
    info = DatasetInfo.from_json(text, path="x")
    assert info.settings == {"seed": 1}
    assert info.splits["train"][0].num_records == 1
    assert json.loads(info.to_json()) == json.loads(text)
