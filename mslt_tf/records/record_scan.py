"""Reads a record file once, to learn what is in it and to find damage.

Records are looked at many at a time, in TensorFlow; where one is not as it must be, `record_checks`
says which.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from mslt_tf import dataset_info
from mslt_tf.dataset_info import Compression
from mslt_tf.errors import UserError
from mslt_tf.pretraining_example import FEATURES, stored_name
from mslt_tf.records import record_checks, record_facts
from mslt_tf.records.record_facts import Block, FileFacts, Layout

SCAN_BATCH = 1_024  # records that are looked at together
RECORD_FRAMING_BYTES = 16  # TFRecord: length 8, its CRC 4, the data's CRC 4
GZIP_MAGIC = b"\x1f\x8b"

USUAL_GZIP_SHARE = 0.25  # of the bytes of records, what gzip leaves of them

# Takes how many records, and about how many bytes of the file as it is stored, were read so far.
Advance = Callable[[int, int], None]


class _UnsoundError(Exception):
    """A batch of records has a value out of bounds."""


def scan_file(path: str, *, advance: Advance = lambda num_records, num_bytes: None) -> FileFacts:
    """Reads one file whole and returns its facts.

    Raises:
        UserError: the file is damaged, empty, or holds other features than BERT's; the message
            names the file and the record.
    """
    compression: Compression = "GZIP" if _starts_with(path, GZIP_MAGIC) else ""
    scan = _Scan(path, compression)
    try:
        with tf.device("CPU:0"):
            batches = tf.data.TFRecordDataset(path, compression).batch(SCAN_BATCH).prefetch(2)
            for batch in batches:
                scan.add(batch)
                advance(scan.num_records, scan.num_stored_bytes)
    except (
        tf.errors.DataLossError,
        tf.errors.OutOfRangeError,
        tf.errors.InvalidArgumentError,
        _UnsoundError,
    ):
        record_checks.check_records(path, compression, layout=scan.layout, first=scan.num_records)
        raise
    # TensorFlow takes a record whose very length is cut short for the end of the file.
    if not compression and scan.num_stored_bytes != tf.io.gfile.stat(path).length:
        raise record_checks.damage_at(path, scan.num_records, compression)
    return scan.facts()


def check_blocks(blocks: Sequence[Block], layout: Layout) -> None:
    """Reads whole files behind `blocks` again, to name the damage that a reader stumbled over.

    Raises:
        UserError: names the first damaged file and record; returns if none is found.
    """
    for path in dict.fromkeys(block.path for block in blocks):
        if not tf.io.gfile.exists(path):
            raise UserError(
                f"{path} is gone. Put it back and start again; the run goes on from its newest "
                "checkpoint."
            )
        found = scan_file(path)
        if found.layout != layout:
            raise UserError(
                f"{path} was replaced: its records have {found.layout.in_words(unlike=layout)}, "
                f"not {layout.in_words(unlike=found.layout)} as before. Put the old file back."
            )
        expected = sum(block.num_records for block in blocks if block.path == path)
        if found.num_records < expected:
            raise UserError(
                f"{path} has {found.num_records} records, expected {expected}: truncated."
            )


class _Scan:
    """The facts of a file, gathered batch by batch."""

    def __init__(self, path: str, compression: Compression) -> None:
        self.layout: Layout | None = None
        self.num_records = 0
        self._path = path
        self._compression: Compression = compression
        self._num_bytes = 0  # unpacked
        self._checksum = ""
        self._largest_id = self._largest_segment = self._num_masked = 0
        self._starts: list[tuple[int, int]] = []  # of each block: its first record, its byte offset
        self._next_start = 0.0  # the byte from which on the next block may begin

    @property
    def num_stored_bytes(self) -> int:
        """How many bytes of the file were read; about, if it is compressed."""
        return int(self._num_bytes * USUAL_GZIP_SHARE) if self._compression else self._num_bytes

    def add(self, batch: tf.Tensor) -> None:
        """Takes the next records of the file, as strings [records].

        Raises:
            UserError: the first record is none of BERT's.
            tensorflow.errors.InvalidArgumentError: a record has another layout than the first.
            _UnsoundError: a value is out of bounds.
        """
        records: list[bytes] = batch.numpy().tolist()
        self.layout = self.layout or record_checks.layout_of(
            self._path, records[0], self._compression
        )
        summary = _summarizer(self.layout)(batch)
        if not summary["is_sound"]:
            raise _UnsoundError
        self._largest_id = max(self._largest_id, int(summary["largest_id"]))
        self._largest_segment = max(self._largest_segment, int(summary["largest_segment"]))
        self._num_masked += int(summary["num_masked"])
        self._checksum = dataset_info.extend_checksum(self._checksum, records)
        self._begin_blocks(records)

    def _begin_blocks(self, records: list[bytes]) -> None:
        """Counts the records, and notes the blocks that begin among them."""
        ends = np.cumsum([len(record) + RECORD_FRAMING_BYTES for record in records])
        offsets = self._num_bytes + np.concatenate([[0], ends[:-1]])  # in the file, [records]
        while (first := int(np.searchsorted(offsets, self._next_start))) < len(records):
            offset = int(offsets[first])
            self._starts.append((self.num_records + first, offset))
            self._next_start = math.inf if self._compression else offset + record_facts.BLOCK_BYTES
        self.num_records += len(records)
        self._num_bytes += int(ends[-1])

    def facts(self) -> FileFacts:
        """Returns the facts when all records were added."""
        if self.layout is None:
            raise UserError(f"{self._path} holds no record. Leave it out, or create it anew.")
        ends = [*(first for first, _ in self._starts[1:]), self.num_records]
        return FileFacts(
            layout=self.layout,
            blocks=tuple(
                Block(self._path, byte_offset, end - first)
                for (first, byte_offset), end in zip(self._starts, ends, strict=True)
            ),
            vocab_size=self._largest_id + 1,
            largest_segment=self._largest_segment,
            num_masked=self._num_masked,
            checksum=self._checksum,
        )


@functools.cache
def _summarizer(layout: Layout) -> Callable[[tf.Tensor], Mapping[str, tf.Tensor]]:
    """Returns a function that takes records [records] and returns what `_Scan` wants to know."""
    largest = record_checks.largest_values(layout)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string)])
    def summarize(records: tf.Tensor) -> Mapping[str, tf.Tensor]:
        parsed = tf.io.parse_example(records, layout.features())
        columns = {
            feature.name: parsed[stored_name(feature, layout.feature_names)] for feature in FEATURES
        }
        is_sound = [
            tf.reduce_all((values >= 0) & (values <= largest[name]))  # False for NaN as well
            for name, values in columns.items()
        ]
        ids = [tf.reduce_max(columns[name]) for name in ("input_ids", "masked_lm_ids")]
        return {
            "is_sound": tf.reduce_all(is_sound),
            "largest_id": tf.reduce_max(ids),
            "largest_segment": tf.reduce_max(columns["segment_ids"]),
            "num_masked": tf.math.count_nonzero(columns["masked_lm_weights"]),
        }

    return summarize


def _starts_with(path: str, prefix: bytes) -> bool:
    with tf.io.gfile.GFile(path, "rb") as file:
        return bool(file.read(len(prefix)) == prefix)
