"""Reads records of a block, in the order in which a lane wants them, as they are stored.

A lane holds the records of a block, up to 32 MB of them, and has the next 32 MB read meanwhile;
with what lies between, that takes about 100 MB. (Twice as much, where `dataset_info.json` describes
files of 33 to 64 MB: these are blocks as they are.) A compressed file is one block, however large
it is, as it cannot be entered in its middle. So it is read once for each 32 MB of its records, from
its beginning, and the records of other parts are passed over: a file that unpacks to 320 MB is
unpacked ten times in an epoch.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from mslt_tf.records.record_facts import Block, Layout

READ_BUFFER_BYTES = 4 * 1024 * 1024
PIECE = 1_024  # records that are looked at together

# Path, byte offset and number of records of a block; which rows of it are wanted, int64 [rows],
# ascending; where among these each one stands in the order to come, int64 [rows].
Part = tuple[str, int, int, np.ndarray, np.ndarray]
PART_SIGNATURE = (
    tf.TensorSpec([], tf.string),
    tf.TensorSpec([], tf.int64),
    tf.TensorSpec([], tf.int64),
    tf.TensorSpec([None], tf.int64),
    tf.TensorSpec([None], tf.int64),
)


def parts(block: Block, rows: np.ndarray, layout: Layout) -> Iterator[Part]:
    """Yields what is to be read to get `rows` of a block, int64 [rows], in their order."""
    step = layout.rows_held if layout.compression else len(rows)
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step]
        ascending = np.sort(part)
        places = np.searchsorted(ascending, part)
        yield block.path, block.byte_offset, block.num_records, ascending, places


def read_part(
    path: tf.Tensor,
    byte_offset: tf.Tensor,
    num_records: tf.Tensor,
    ascending: tf.Tensor,
    places: tf.Tensor,
    *,
    compression: str,
) -> tf.data.Dataset:
    """Returns a data set of one element: the records of a `Part`, as strings [rows].

    Only for use inside `flat_map`, as `read_pieces`.
    """

    def pick(first: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        begin, end = tf.unstack(tf.searchsorted(ascending, [first, first + PIECE]))
        return tf.gather(serialized, ascending[begin:end] - first)

    picked = read_pieces(path, byte_offset, num_records, compression=compression, use=pick)
    together = picked.rebatch(tf.size(ascending, tf.int64))
    return together.map(lambda serialized: tf.gather(serialized, places))


def read_pieces(
    path: tf.Tensor,
    byte_offset: tf.Tensor,
    num_records: tf.Tensor,
    *,
    compression: str,
    use: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = lambda first, serialized: serialized,
) -> tf.data.Dataset:
    """Returns the records of a block in file order, as strings [PIECE]; the last may be fewer.

    Only for use inside `flat_map`: the raw op cannot be serialised as a data set of its own. An
    `InvalidArgumentError` names the file if it ends before the block does.

    Args:
        path: of the file.
        byte_offset: of the block.
        num_records: of the block.
        compression: of the file.
        use: takes the number of a piece's first record and the piece, and returns what to take in
            its place.
    """
    # The only reader of TensorFlow that begins at a byte offset; the public class has no such
    # argument, the raw op is public.
    num_records = tf.cast(num_records, tf.int64)
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(path, [1]),
        compression_type=compression,
        buffer_size=tf.constant(READ_BUFFER_BYTES, tf.int64),
        byte_offsets=tf.cast(tf.reshape(byte_offset, [1]), tf.int64),
    )
    raw = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
    # A file that ends before the block gives no more pieces, and they would be passed over.
    nothing = tf.data.Dataset.from_tensors(tf.zeros([0], tf.string)).repeat()
    pieces = raw.take(num_records).batch(PIECE).concatenate(nothing)

    def check(first: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        complete = tf.debugging.assert_equal(
            tf.size(serialized, tf.int64),
            tf.minimum(num_records - first, PIECE),
            [path, "has fewer records than it had"],
        )
        with tf.control_dependencies([complete]):
            return use(first, tf.identity(serialized))

    return tf.data.Dataset.zip((tf.data.Dataset.range(0, num_records, PIECE), pieces)).map(check)
