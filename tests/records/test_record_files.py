"""Finding, describing and checking record files, ours and others'."""

import itertools
import json
import zlib

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.dataset_info import DatasetInfo, Shard, hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.records import record_facts, record_files
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
    assert records.layout == record_facts.Layout(
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
    assert changed.identity != first.identity


def test_large_files_are_cut_into_blocks_that_begin_at_records(tmp_path, rng, monkeypatch):
    serialized = [tiny.record(np.random.default_rng(7)) for _ in range(8)]  # of equal size
    three_records = 3 * (len(serialized[0]) + 16)
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", three_records)
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


def test_a_truncated_described_file_is_found_before_it_is_read(tmp_path, rng):
    path = tmp_path / "train-0"
    tiny.write_shard(path, [tiny.record(rng)] * 5)
    tiny.describe(tmp_path, ["train-0"])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"train-0 has \d+ bytes, dataset_info.json says"):
        open_records(tmp_path, path)


def test_a_file_without_records_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="holds no record"):
        open_records(tmp_path, tmp_path / "a")


def test_records_without_a_feature_are_refused_with_the_list(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng, without="next_sentence_labels")])
    with pytest.raises(UserError, match=r"BERT pretraining needs .*next_sentence_labels"):
        open_records(tmp_path, tmp_path / "a")


def test_a_large_described_file_is_read_once_to_be_cut(tmp_path, rng, monkeypatch):
    tiny.write_shard(tmp_path / "train-0", [tiny.record(rng) for _ in range(9)])
    tiny.describe(tmp_path, ["train-0"])
    whole, _ = open_records(tmp_path, tmp_path / "train-0")
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 500)
    cut, lines = open_records(tmp_path, tmp_path / "train-0")
    assert lines
    assert len(cut.blocks) > len(whole.blocks) == 1
    assert (cut.num_records, cut.vocab_size) == (9, tiny.VOCAB_SIZE)
    assert cut.identity.legacy_fingerprint == whole.identity.legacy_fingerprint
    assert not open_records(tmp_path, tmp_path / "train-0")[1]  # remembered


def checksum_of(records):
    """Returns the checksum by its definition: of lengths and records, one behind the other."""
    content = b"".join(len(record).to_bytes(8, "little") + record for record in records)
    return f"{zlib.crc32(content):08x}"


def describe_with_checksum(folder, name, records, **changes):
    """Writes a dataset_info.json as this program does now, but for `changes` of the shard."""
    facts = {"name": name, "num_records": len(records), "checksum": checksum_of(records)}
    shard = Shard(**({**facts, "num_bytes": (folder / name).stat().st_size} | changes))
    tiny.describe(folder, [], splits={"train": (shard,)})


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_described_and_foreign_copies_of_a_file_have_one_identity(tmp_path, rng, compression):
    serialized = [tiny.record(rng) for _ in range(9)]
    for name in ("described", "foreign"):
        (tmp_path / name).mkdir()
    tiny.write_shard(tmp_path / "described" / "train-0", serialized)
    describe_with_checksum(tmp_path / "described", "train-0", serialized)
    tiny.write_shard(tmp_path / "foreign" / "other", serialized, compression=compression)
    found = [
        open_records(tmp_path, path)[0].identity.files
        for path in (tmp_path / "described" / "train-0", tmp_path / "foreign" / "other")
    ]
    assert [(file.num_records, file.content) for (file,) in found] == [
        (9, f"crc32:{checksum_of(serialized)}")
    ] * 2


def test_a_large_file_that_is_not_what_its_description_says_is_refused(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(record_facts, "BLOCK_BYTES", 500)
    serialized = [tiny.record(rng) for _ in range(9)]
    tiny.write_shard(tmp_path / "train-0", serialized)
    describe_with_checksum(tmp_path, "train-0", serialized)
    assert open_records(tmp_path, tmp_path / "train-0")[0].num_records == 9
    for change in ({"checksum": "00000000"}, {"num_records": 10}):
        describe_with_checksum(tmp_path, "train-0", serialized, **change)
        with pytest.raises(UserError, match=r"train-0 holds other records than dataset_info\.json"):
            open_records(tmp_path, tmp_path / "train-0")


def test_files_of_different_layout_cannot_be_one_set(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.write_shard(tmp_path / "b", [tiny.record(rng, seq_length=20)])
    message = (
        "b has 20 tokens, but .*a has 16 tokens. All files of one set must have the same layout"
    )
    with pytest.raises(UserError, match=message):
        open_records(tmp_path, tmp_path / "?")
    tiny.write_shard(tmp_path / "b", [tiny.record(rng, feature_names="v2")], compression="GZIP")
    with pytest.raises(
        UserError, match="b has Model Garden's feature names, gzip compression, but"
    ):
        open_records(tmp_path, tmp_path / "?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[]", "not an object"),
        (b"{}", "format_version is None, not a whole number"),
        (b'{"format_version": 1}', "is missing"),
        (b'{"format_version": 9, "splits": {}}', "has format_version 9, this program reads 1"),
    ],
)
def test_an_unreadable_info_file_is_named(tmp_path, rng, text, message):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    (tmp_path / "dataset_info.json").write_bytes(text)
    with pytest.raises(UserError, match=rf"dataset_info\.json.*{message}"):
        open_records(tmp_path, tmp_path / "a")


def test_a_number_that_is_a_text_in_an_info_file_is_named(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.describe(tmp_path, ["a"])
    path = tmp_path / "dataset_info.json"
    path.write_text(path.read_text().replace('"num_records": 1', '"num_records": "x"'))
    message = r"splits\.train\.0\.num_records is 'x', not a whole number"
    with pytest.raises(UserError, match=message):
        open_records(tmp_path, tmp_path / "a")


def test_an_info_file_of_before_there_were_checksums_is_read(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.describe(tmp_path, ["a"])
    path = tmp_path / "dataset_info.json"
    assert path.read_text().count('"checksum": "",') == 1
    path.write_text(path.read_text().replace('"checksum": "",', ""))
    assert DatasetInfo.from_json(path.read_text(), path="").splits["train"][0].checksum == ""
    assert open_records(tmp_path, tmp_path / "a")[0].num_records == 1


def test_info_survives_the_way_to_disk(tmp_path, rng):
    tiny.write_shard(tmp_path / "a", [tiny.record(rng)])
    tiny.describe(tmp_path, ["a"], settings={"seed": 1})
    text = (tmp_path / "dataset_info.json").read_text()
    info = DatasetInfo.from_json(text, path="x")
    assert info.settings == {"seed": 1}
    assert info.splits["train"][0].num_records == 1
    assert json.loads(info.to_json()) == json.loads(text)


def describe_lengths(folder, histograms):
    """Writes and describes splits of two shards of a record each, and how long they are."""
    folder.mkdir()
    names = {split: [f"{split}-{number}" for number in range(2)] for split in histograms}
    for name in itertools.chain.from_iterable(names.values()):
        tiny.write_shard(folder / name, [tiny.record(np.random.default_rng(0))])
    splits = {
        split: tuple(
            Shard(name=name, num_records=1, num_bytes=(folder / name).stat().st_size)
            for name in of_split
        )
        for split, of_split in names.items()
    }
    statistics = {split: {"length_histogram": found} for split, found in histograms.items()}
    tiny.describe(folder, [], splits=splits, statistics=statistics)


def test_lengths_are_known_of_splits_that_are_there_whole(tmp_path):
    describe_lengths(tmp_path / "a", {"train": [2], "heldout": [2]})
    describe_lengths(tmp_path / "b", {"train": [2]})
    odd = {"old": [], "word": "many", "more": [3], "wide": [1, 1], "negative": [-2]}
    for name, histogram in odd.items():
        describe_lengths(tmp_path / name, {"train": histogram})
    tiny.write_shard(tmp_path / "a" / "foreign", [tiny.record(np.random.default_rng(0))])

    def lengths(*patterns):
        return open_records(tmp_path, *(tmp_path / p for p in patterns))[0].length_histogram

    assert lengths("a/train-*") == (2,)
    assert lengths("a/train-*", "b/train-*") == lengths("a/*-0", "a/*-1") == (4,)
    for unknown in (("a/train-0",), ("a/train-*", "a/foreign"), *((f"{n}/*-*",) for n in odd)):
        assert lengths(*unknown) == ()
