"""Writes features as tf.train.Examples into TFRecord shards that appear whole or not at all."""

import os
import re
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.dataset_info import Compression
from mslt_tf.files import file_errors
from mslt_tf.pretraining_example import FeatureNames
from tfrecords_tools.dataset import example_bytes
from tfrecords_tools.recipe import masking

PARTIAL_SUFFIX = ".partial"
_SHARD = re.compile(r"(train|heldout)-\d{5}-of-\d{5}\.tfrecord")
# With the digits, of Beam: each worker writes a file of its own.
_PARTIAL_SHARD = re.compile(rf"{_SHARD.pattern}(\.[0-9a-f]{{32}})?{re.escape(PARTIAL_SUFFIX)}")


def shard_name(split: str, index: int, num_shards: int) -> str:
    """Returns a shard's file name, e.g. "train-00000-of-00008.tfrecord"."""
    return f"{split}-{index:05d}-of-{num_shards:05d}.tfrecord"


def is_shard_name(name: str) -> bool:
    """Returns whether it is a name that `shard_name` gives."""
    return bool(_SHARD.fullmatch(name))


def is_partial_shard_name(name: str) -> bool:
    """Returns whether only this program gives a file that name, until its shard is complete."""
    return bool(_PARTIAL_SHARD.fullmatch(name))


def write_partial_shard(
    folder: str,
    name: str,
    *,
    batches: Iterator[masking.Features],
    feature_names: FeatureNames = "v1",
    compression: Compression = "",
) -> dataset_info.Shard:
    """Writes the records of `batches` to the file `name` + PARTIAL_SUFFIX in `folder`.

    Equal batches and options make files of equal bytes, compressed ones too.

    Args:
        folder: an existing one, local or remote.
        name: the file's final name.
        batches: the records, in order.
        feature_names: under which names the features are stored.
        compression: "", or "GZIP": about a quarter of the bytes in three times the time.

    Raises:
        UserError: the file cannot be written, e.g. as the disk is full.
    """
    path = os.path.join(folder, name + PARTIAL_SUFFIX)
    num_records, checksum = 0, ""
    with file_errors.writing(path):
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression)) as writer:
            for batch in batches:
                encoded = example_bytes.encode_examples(batch, feature_names=feature_names)
                for record in encoded:
                    writer.write(record)
                num_records += len(encoded)
                checksum = dataset_info.extend_checksum(checksum, encoded)
        num_bytes = tf.io.gfile.stat(path).length
    return dataset_info.Shard(name, num_records, num_bytes=num_bytes, checksum=checksum)


def partial_size(folder: str, name: str) -> int | None:
    """Returns the bytes of a file under its temporary name; None if there is none."""
    path = os.path.join(folder, name + PARTIAL_SUFFIX)
    if not tf.io.gfile.exists(path):
        return None
    length: int = tf.io.gfile.stat(path).length
    return length


def publish(path: str) -> None:
    """Gives the file at `path` + PARTIAL_SUFFIX its final name, in one step."""
    tf.io.gfile.rename(path + PARTIAL_SUFFIX, path, overwrite=True)


def write_partial_text(path: str, text: str) -> None:
    """Writes a text file to `path` + PARTIAL_SUFFIX."""
    with tf.io.gfile.GFile(path + PARTIAL_SUFFIX, "w") as file:
        file.write(text)
