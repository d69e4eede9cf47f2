"""Writes features as tf.train.Examples into TFRecord shards that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf

from mslt_tf import dataset_info, pretraining_example
from mslt_tf.errors import UserError
from tfrecords_tools import masking

PARTIAL_SUFFIX = ".partial"


def shard_name(split: str, index: int, num_shards: int) -> str:
    """Returns a shard's file name, e.g. "train-00000-of-00008.tfrecord"."""
    return f"{split}-{index:05d}-of-{num_shards:05d}.tfrecord"


def serialize(features: masking.Features) -> Iterator[bytes]:
    """Yields each record of a batch as a serialised tf.train.Example."""
    columns = {
        feature.name: (feature.dtype, getattr(features, feature.name).tolist())
        for feature in pretraining_example.FEATURES
    }
    for row in range(len(features.input_ids)):
        example = tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: _feature(dtype, rows[row]) for name, (dtype, rows) in columns.items()
                }
            )
        )
        # Otherwise the order of the features may differ from process to process.
        yield example.SerializeToString(deterministic=True)


def _feature(dtype: str, values: list[int] | list[float]) -> tf.train.Feature:
    if dtype == "float32":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def write_partial_shard(
    folder: str, name: str, *, batches: Iterator[masking.Features]
) -> dataset_info.Shard:
    """Writes the records of `batches` to the file `name` + PARTIAL_SUFFIX in `folder`.

    Raises:
        UserError: the file cannot be written, e.g. as the disk is full.
    """
    path = os.path.join(folder, name + PARTIAL_SUFFIX)
    num_records = 0
    with writing(path):
        with tf.io.TFRecordWriter(path) as writer:
            for batch in batches:
                for record in serialize(batch):
                    writer.write(record)
                num_records += len(batch.input_ids)
        num_bytes = tf.io.gfile.stat(path).length
    return dataset_info.Shard(name, num_records, num_bytes=num_bytes)


def publish(path: str) -> None:
    """Gives the file at `path` + PARTIAL_SUFFIX its final name, in one step."""
    tf.io.gfile.rename(path + PARTIAL_SUFFIX, path, overwrite=True)


def write_text(path: str, text: str) -> None:
    """Writes a text file that appears whole or not at all."""
    write_partial_text(path, text)
    publish(path)


def write_partial_text(path: str, text: str) -> None:
    """Writes a text file to `path` + PARTIAL_SUFFIX."""
    with tf.io.gfile.GFile(path + PARTIAL_SUFFIX, "w") as file:
        file.write(text)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turns TensorFlow's errors about the file at `path` into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(
            f"{path} cannot be written: {error.message}. It must fit into a folder that takes "
            "files: make room, or give another place, and run again."
        ) from error
