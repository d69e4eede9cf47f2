"""Shards as files: what TensorFlow reads from them, and that they depend on nothing but content."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FEATURES, FeatureNames, stored_name
from tfrecords_tools.dataset import records
from tfrecords_tools.recipe import masking
from tfrecords_tools.recipe.pairs import PAIR_DTYPE
from tfrecords_tools.recipe.recipe import Recipe

RECIPE = Recipe(max_seq_length=32, max_predictions_per_seq=5)
SPECIAL = masking.SpecialTokens(cls_id=2, sep_id=3, mask_id=4, vocab_size=30_000)
COMPRESSIONS: list[records.Compression] = ["", "GZIP"]


def make_batches(*sizes: int) -> list[masking.Features]:
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 30_000, size=1_000).astype(np.int32)
    batches = []
    for size in sizes:
        pairs = np.zeros(size, PAIR_DTYPE)
        pairs["first_length"] = rng.integers(1, 15, size)
        pairs["second_length"] = rng.integers(1, 15, size)
        pairs["second_start"] = rng.integers(0, 900, size)
        pairs["mask_key"] = rng.integers(0, 2**63, size)
        batches.append(masking.make_features(tokens, pairs, recipe=RECIPE, special=SPECIAL))
    return batches


def read(path: Path, compression: str) -> list[bytes]:
    return list(
        tf.data.TFRecordDataset(str(path), compression_type=compression).as_numpy_iterator()
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("feature_names", ["v1", "v2"])
def test_tensorflow_reads_what_was_written(
    tmp_path: Path, compression: records.Compression, feature_names: FeatureNames
):
    batches = make_batches(40, 1, 25)
    shard = records.write_partial_shard(
        str(tmp_path),
        "a",
        batches=iter(batches),
        feature_names=feature_names,
        compression=compression,
    )
    path = tmp_path / "a.partial"
    assert (shard.name, shard.num_records, shard.num_bytes) == ("a", 66, path.stat().st_size)
    stored_records = read(path, compression)
    content = b"".join(len(r).to_bytes(8, "little") + r for r in stored_records)
    assert shard.checksum == f"{zlib.crc32(content):08x}"
    examples = [tf.train.Example.FromString(record) for record in stored_records]
    for feature in FEATURES:
        written = np.concatenate([getattr(batch, feature.name) for batch in batches])
        stored = [
            example.features.feature[stored_name(feature, feature_names)] for example in examples
        ]
        kind = "float_list" if feature.dtype == "float32" else "int64_list"
        np.testing.assert_array_equal([getattr(each, kind).value for each in stored], written)


def test_a_compressed_shard_holds_the_records_of_a_plain_one_in_fewer_bytes(tmp_path: Path):
    shards = {
        compression: records.write_partial_shard(
            str(tmp_path),
            compression,
            batches=iter(make_batches(200)),
            compression=compression,
        )
        for compression in COMPRESSIONS
    }
    plain, compressed = (
        read(tmp_path / (name + records.PARTIAL_SUFFIX), name) for name in COMPRESSIONS
    )
    assert plain == compressed
    assert shards["GZIP"].num_bytes < shards[""].num_bytes / 2


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_file_depends_on_its_records_only(tmp_path: Path, compression: records.Compression):
    contents = []
    for name in ("now", "later, under another name"):
        records.write_partial_shard(
            str(tmp_path), name, batches=iter(make_batches(30)), compression=compression
        )
        contents.append((tmp_path / (name + records.PARTIAL_SUFFIX)).read_bytes())
    assert contents[0] == contents[1]
    if compression:
        assert contents[0][:8] == b"\x1f\x8b\x08" + bytes(5)  # no flags, so no name, and no time


def test_a_shard_may_be_empty(tmp_path: Path):
    shard = records.write_partial_shard(str(tmp_path), "a", batches=iter([]))
    assert (shard.num_records, shard.num_bytes) == (0, 0)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_folder_that_takes_no_file_is_named(tmp_path: Path, compression: records.Compression):
    folder = tmp_path / "absent"
    with pytest.raises(UserError, match=r"absent.*cannot be written.*run again"):
        records.write_partial_shard(
            str(folder), "a", batches=iter(make_batches(3)), compression=compression
        )


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_disk_that_fills_up_is_told(tmp_path: Path, compression: records.Compression):
    (tmp_path / "a.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"a\.partial cannot be written \(.*No space.*Make room"):
        records.write_partial_shard(
            str(tmp_path), "a", batches=iter(make_batches(1_000)), compression=compression
        )
