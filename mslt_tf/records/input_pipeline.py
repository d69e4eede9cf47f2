"""Batches of records whose content is a function of (seed, position) alone.

A position counts sequences since the run began; which record is at which is `record_order`'s. The
batch of an update, over all workers, holds the records at the next `batch_size` positions, put lane
by lane: with 8 records and 2 lanes, those at positions 0 2 4 6, then at 1 3 5 7. A worker takes a
slice of it, and reads the lanes that the slice touches: of two workers, the first takes 0 2 4 6 and
reads lane 0 only. So the number of workers decides who reads a record, and nothing else: a run
that goes on with more or fewer workers sees the batches that it would have seen. Epochs follow
each other without a gap: a batch may hold the end of one and the beginning of the next, and no
record is left out.

A lane holds records as they are stored, see `block_reading`; a worker parses those of its slices
only.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Self

import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining_example import FEATURES, stored_name
from mslt_tf.records import block_reading, dynamic_masking, record_order
from mslt_tf.records.batch import Batch
from mslt_tf.records.dynamic_masking import Masking
from mslt_tf.records.record_facts import Layout
from mslt_tf.records.record_files import Records
from mslt_tf.records.record_order import RecordOrder

BATCHES_AHEAD = 64  # an upper bound of what is read before it is asked for, besides a block a lane


@dataclasses.dataclass(frozen=True)
class Share:
    """Which part of each global batch a worker reads, and into how many batches it is cut."""

    worker: int = 0
    num_workers: int = 1
    num_replicas: int = 1  # of this worker: its devices, each of which takes a batch

    @classmethod
    def of(cls, workers: Workers) -> Self:
        """Returns this process's share."""
        return cls(workers.index, workers.count, workers.num_local_replicas)

    def slice_of(self, batch_size: int) -> slice:
        """Returns the worker's part of a global batch.

        Raises:
            ValueError: a global batch cannot be cut into equal batches for all devices.
        """
        num_batches = self.num_workers * self.num_replicas
        if batch_size % num_batches:
            raise ValueError(f"{batch_size} records are no {num_batches} equal batches")
        size = batch_size // self.num_workers
        return slice(self.worker * size, (self.worker + 1) * size)


ALL = Share()


@tf.autograph.experimental.do_not_convert  # for all that maps records: no loop over tensors
def training_batches(
    records: Records,
    *,
    seed: int,
    first_position: int,
    batch_size: int,
    share: Share = ALL,
    masking: Masking | None = None,
) -> tf.data.Dataset:
    """Returns a worker's endless batches from `first_position` on, `num_replicas` for an update.

    Each is a dict by BERT's feature names: integers int32 [batch, length], `masked_lm_weights`
    float32 [batch, predictions], `next_sentence_labels` int32 [batch].

    Args:
        records: what to read.
        seed: decides the order, and the masks.
        first_position: how many sequences the run has read before.
        batch_size: sequences of an update, over all workers.
        share: the worker's part of them.
        masking: masks are drawn anew with it; as stored where it is None.

    Raises:
        ValueError: `batch_size` cannot be shared equally.
    """
    own = share.slice_of(batch_size)
    order = _order(records, seed=seed, batch_size=batch_size)
    positions = order.positions(first_position, batch_size=batch_size)[own]
    serialized = _own_records(records, order, first_position, batch_size=batch_size, own=own)

    def parse(update: tf.Tensor, serialized: tf.Tensor) -> Batch:
        batch = _columns(serialized, records.layout)
        if masking is None:
            return batch
        keys = dynamic_masking.record_keys(
            positions + update * batch_size, seed=seed, seq_length=records.layout.max_seq_length
        )
        return dynamic_masking.mask_anew(batch, keys, masking=masking)

    batches = serialized.enumerate().map(parse).prefetch(2)
    if share.num_replicas > 1:
        batches = batches.rebatch(len(positions) // share.num_replicas, drop_remainder=True)
    # Where it is not known to be endless, workers ask each other at each step who has a batch left.
    endless = tf.data.experimental.assert_cardinality(tf.data.experimental.INFINITE_CARDINALITY)
    return batches.apply(endless)


@tf.autograph.experimental.do_not_convert  # for all that maps records: no loop over tensors
def evaluation_batches(records: Records, *, batch_size: int, share: Share = ALL) -> tf.data.Dataset:
    """Returns a worker's part of all records once, in file order, as batches of equal size.

    Each worker has `num_replicas` of the `num_workers * num_replicas` consecutive batches of a
    step. The last batches are filled with records of zeros, so that all workers have equally many;
    `example_weights` float32 [batch] is 1 for a record and 0 for filling.

    Args:
        records: what to read.
        batch_size: sequences of each device.
        share: the worker's part; the number of devices is the same in all workers.
    """
    part_size = batch_size * share.num_replicas  # of a step, one worker's
    filling = -records.num_records % (part_size * share.num_workers)
    zeros = [_record_of_zeros(records.layout)] * filling
    fields = ("path", "byte_offset", "num_records")
    reads = tf.data.Dataset.from_tensor_slices(
        tuple([getattr(block, field) for block in records.blocks] for field in fields)
    )
    serialized = reads.flat_map(
        functools.partial(block_reading.read_pieces, compression=records.layout.compression)
    )
    if filling:
        serialized = serialized.concatenate(tf.data.Dataset.from_tensors(zeros))
    parts = serialized.rebatch(part_size, drop_remainder=True).enumerate()

    def parse(part: tf.Tensor, serialized: tf.Tensor) -> Batch:
        number = part * part_size + tf.range(part_size, dtype=tf.int64)
        weights = tf.cast(number < records.num_records, tf.float32)
        return {**_columns(serialized, records.layout), "example_weights": weights}

    batches = parts.shard(share.num_workers, share.worker).map(parse)
    return batches.rebatch(batch_size, drop_remainder=True).prefetch(2)


def blocks_at(
    records: Records, *, seed: int, position: int, num_records: int, batch_size: int
) -> list[int]:
    """Returns the blocks, each once, that hold `num_records` records from `position` on.

    Args:
        records: what is read.
        seed: as of `training_batches`.
        position: where the first of them stands.
        num_records: how many, over all workers.
        batch_size: as of `training_batches`.
    """
    order = _order(records, seed=seed, batch_size=batch_size)
    return order.blocks_at(position, num_records=num_records)


def _order(records: Records, *, seed: int, batch_size: int) -> RecordOrder:
    return RecordOrder(
        block_sizes=tuple(block.num_records for block in records.blocks),
        seed=seed,
        num_lanes=record_order.count_lanes(num_blocks=len(records.blocks), batch_size=batch_size),
    )


def _own_records(
    records: Records, order: RecordOrder, position: int, *, batch_size: int, own: slice
) -> tf.data.Dataset:
    """Returns the slice `own` of each global batch from `position` on, as strings [records]."""
    size = batch_size // order.num_lanes  # of a global batch, one lane's
    first_lane, end_lane = own.start // size, -(-own.stop // size)
    num_lanes = end_lane - first_lane
    # One data set for all lanes, as building one for each takes seconds. In parallel, or the first
    # batch would wait for a block of each lane, one after the other.
    parts = tf.data.Dataset.range(first_lane, end_lane).interleave(
        lambda lane: _lane(records, order, lane, position).rebatch(size, drop_remainder=True),
        cycle_length=num_lanes,
        block_length=1,
        num_parallel_calls=num_lanes,
        deterministic=True,
    )
    skipped = first_lane * size

    def cut(lanes: tf.Tensor) -> tf.Tensor:
        return tf.reshape(lanes, [-1])[own.start - skipped : own.stop - skipped]

    return parts.batch(num_lanes, drop_remainder=True).map(cut)


def _lane(records: Records, order: RecordOrder, lane: tf.Tensor, position: int) -> tf.data.Dataset:
    """Returns the lane's records from `position` on, block after block, as strings [records]."""
    reads = tf.data.Dataset.from_generator(
        lambda lane: _reads(records, order, int(lane), position),
        args=(lane,),
        output_signature=block_reading.PART_SIGNATURE,
    )
    blocks = reads.flat_map(
        functools.partial(block_reading.read_part, compression=records.layout.compression)
    )
    # One block ahead, or the step would wait at each block's edge for the next to be read.
    return blocks.prefetch(1)


def _reads(
    records: Records, order: RecordOrder, lane: int, position: int
) -> Iterator[block_reading.Part]:
    for index, rows in order.reads(lane, position=position):
        yield from block_reading.parts(records.blocks[index], rows, records.layout)


def _columns(serialized: tf.Tensor, layout: Layout) -> Batch:
    """Returns records by BERT's feature names."""
    parsed = tf.io.parse_example(serialized, layout.features())
    columns = {}
    for feature in FEATURES:
        values = parsed[stored_name(feature, layout.feature_names)]
        columns[feature.name] = tf.cast(values, tf.int32) if values.dtype == tf.int64 else values
    columns["next_sentence_labels"] = columns["next_sentence_labels"][:, 0]
    return columns


def _record_of_zeros(layout: Layout) -> bytes:
    example = tf.train.Example()
    for name, feature in layout.features().items():
        stored = example.features.feature[name]
        values = stored.float_list if feature.dtype == tf.float32 else stored.int64_list
        values.value.extend([0] * feature.shape[0])
    return bytes(example.SerializeToString())
