"""Batches of records whose content is a function of (seed, position) alone.

A position counts sequences since the run began. In every epoch the blocks, and the records within
each block, come in a seeded permutation, so any position is found without reading what lies
before it, and a resumed run reads what it would have read. Epochs follow each other without a
gap: a batch may hold the end of one and the beginning of the next, and no record is left out.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from mslt_tf.pretraining import dynamic_masking
from mslt_tf.pretraining.dynamic_masking import Masking
from mslt_tf.pretraining.losses import Batch
from mslt_tf.pretraining.record_files import Records
from mslt_tf.pretraining.record_scan import Layout
from mslt_tf.pretraining_example import FEATURES, stored_name

READ_BUFFER_BYTES = 4 * 1024 * 1024
BATCHES_AHEAD = 64  # an upper bound of what is read before it is asked for, besides a block


def training_batches(
    records: Records,
    *,
    seed: int,
    first_position: int,
    batch_size: int,
    masking: Masking | None = None,
) -> tf.data.Dataset:
    """Returns endless batches from `first_position` on, masked anew where `masking` is given.

    Each is a dict by BERT's feature names: integers int32 [batch, length], `masked_lm_weights`
    float32 [batch, predictions], `next_sentence_labels` int32 [batch].
    """
    reads = tf.data.Dataset.from_generator(
        lambda: _reads(records, seed=seed, position=first_position),
        output_signature=(
            tf.TensorSpec([], tf.string),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([None], tf.int64),
        ),
    )
    blocks = reads.flat_map(
        lambda path, byte_offset, num_records, rows: _block(
            path, byte_offset, num_records, layout=records.layout
        ).map(lambda columns: {name: tf.gather(columns[name], rows) for name in columns})
    )
    # One block ahead, or the step would wait at each block's edge for the next to be parsed.
    batches = blocks.prefetch(1).rebatch(batch_size, drop_remainder=True)
    if masking is not None:

        def mask_anew(index: tf.Tensor, batch: Batch) -> Batch:
            first = first_position + index * batch_size
            keys = dynamic_masking.record_keys(
                first + tf.range(batch_size, dtype=tf.int64),
                seed=seed,
                seq_length=records.layout.max_seq_length,
            )
            return dynamic_masking.mask_anew(batch, keys, masking=masking)

        batches = batches.enumerate().map(mask_anew)
    return batches.prefetch(2)


def evaluation_batches(
    records: Records, *, batch_size: int, num_replicas: int = 1
) -> tf.data.Dataset:
    """Returns all records once, in file order, as batches of equal size.

    The last batches are filled with records of zeros, so that their number is a multiple of
    `num_replicas`; `example_weights` float32 [batch] is 1 for a record and 0 for filling.
    """
    filling = -records.num_records % (batch_size * num_replicas)
    fields = ("path", "byte_offset", "num_records")
    reads = tf.data.Dataset.from_tensor_slices(
        tuple([getattr(block, field) for block in records.blocks] for field in fields)
    )
    dataset = reads.flat_map(
        lambda path, byte_offset, num_records: _block(
            path, byte_offset, num_records, layout=records.layout
        ).map(_with_example_weights)
    )
    if filling:
        zeros = {
            name: tf.zeros([filling, *spec.shape[1:]], spec.dtype)
            for name, spec in dataset.element_spec.items()
        }
        dataset = dataset.concatenate(tf.data.Dataset.from_tensors(zeros))
    return dataset.rebatch(batch_size, drop_remainder=True).prefetch(2)


def blocks_at(records: Records, *, seed: int, position: int, num_records: int) -> list[int]:
    """Returns the blocks, each once, that hold `num_records` records from `position` on."""
    found: list[int] = []
    for index, rows in _epochs(records, seed=seed, position=position):
        found.append(index)
        num_records -= len(rows)
        if num_records <= 0 or len(set(found)) == len(records.blocks):
            break
    return list(dict.fromkeys(found))


def _reads(
    records: Records, *, seed: int, position: int
) -> Iterator[tuple[str, int, int, np.ndarray]]:
    for index, rows in _epochs(records, seed=seed, position=position):
        block = records.blocks[index]
        yield block.path, block.byte_offset, block.num_records, rows


def _epochs(records: Records, *, seed: int, position: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (block index, row order) without end, beginning in the middle where need be."""
    epoch, to_skip = divmod(position, records.num_records)
    while True:
        for index in np.random.default_rng([seed, epoch]).permutation(len(records.blocks)):
            num_rows = records.blocks[index].num_records
            if to_skip >= num_rows:
                to_skip -= num_rows
                continue
            rows = np.random.default_rng([seed, epoch, int(index)]).permutation(num_rows)
            yield int(index), rows[to_skip:]
            to_skip = 0
        epoch += 1


def _block(
    path: tf.Tensor,
    byte_offset: tf.Tensor,
    num_records: tf.Tensor,
    *,
    layout: Layout,
) -> tf.data.Dataset:
    """Returns a data set of one element: all records of a block as columns.

    Only for use inside `flat_map`: the raw op cannot be serialised as a data set of its own.
    """
    num_records = tf.cast(num_records, tf.int64)
    # The only reader of TensorFlow that begins at a byte offset; the public class has no such
    # argument, the raw op is public.
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(path, [1]),
        compression_type=layout.compression,
        buffer_size=tf.constant(READ_BUFFER_BYTES, tf.int64),
        byte_offsets=tf.cast(tf.reshape(byte_offset, [1]), tf.int64),
    )
    raw = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
    return (
        raw.take(num_records)
        .batch(num_records)
        .map(
            lambda serialized: _columns(
                serialized, path=path, num_records=num_records, layout=layout
            )
        )
    )


def _columns(
    serialized: tf.Tensor, *, path: tf.Tensor, num_records: tf.Tensor, layout: Layout
) -> dict[str, tf.Tensor]:
    complete = tf.debugging.assert_equal(
        tf.size(serialized, tf.int64), num_records, [path, "has fewer records than it had"]
    )
    with tf.control_dependencies([complete]):
        parsed = tf.io.parse_example(serialized, layout.features())
    columns = {}
    for feature in FEATURES:
        values = parsed[stored_name(feature, layout.feature_names)]
        columns[feature.name] = tf.cast(values, tf.int32) if values.dtype == tf.int64 else values
    columns["next_sentence_labels"] = columns["next_sentence_labels"][:, 0]
    return columns


def _with_example_weights(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    labels = columns["next_sentence_labels"]
    return {**columns, "example_weights": tf.ones(tf.shape(labels))}
