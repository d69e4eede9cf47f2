"""Reads record files once, to learn their layout and to find damage.

Large files are cut into blocks of records, so that a run can begin in their middle and need not
hold one whole; gzip files cannot be entered in the middle and stay one block.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.pretraining.run_log import naming_full_disk
from mslt_tf.pretraining_example import (
    FEATURES,
    FeatureNames,
    detect_feature_names,
    feature_length,
    stored_name,
)

BLOCK_BYTES = 32 * 1024 * 1024  # of records held in memory, and permuted, as one
SCAN_BATCH = 1_024
RECORD_FRAMING_BYTES = 16  # TFRecord: length 8, its CRC 4, the data's CRC 4
SECONDS_BETWEEN_REPORTS = 5.0
GZIP_MAGIC = b"\x1f\x8b"


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a file stores its records."""

    max_seq_length: int
    max_predictions_per_seq: int
    feature_names: FeatureNames
    compression: Literal["", "GZIP"]

    def features(self) -> dict[str, tf.io.FixedLenFeature]:
        """Returns what `tf.io.parse_example` needs, by stored name."""
        return {
            stored_name(feature, self.feature_names): tf.io.FixedLenFeature(
                [
                    feature_length(
                        feature,
                        max_seq_length=self.max_seq_length,
                        max_predictions_per_seq=self.max_predictions_per_seq,
                    )
                ],
                tf.as_dtype(feature.dtype),
            )
            for feature in FEATURES
        }


@dataclasses.dataclass(frozen=True)
class Block:
    """Consecutive records of one file."""

    path: str
    byte_offset: int
    num_records: int


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """What one file holds."""

    layout: Layout
    vocab_size: int
    blocks: tuple[Block, ...]


def scan_files(
    paths: Sequence[str], *, cache_path: str, report: Callable[[str], None], keeps_facts: bool
) -> dict[str, FileFacts]:
    """Returns the facts of every file, from `cache_path` where a file has not changed since.

    What it learns anew goes there too if `keeps_facts`: with several workers, only one may write.

    Raises:
        UserError: a file is damaged, empty, or holds other features than BERT's.
    """
    cache = _read_cache(cache_path)
    facts: dict[str, FileFacts] = {}
    for count, path in enumerate(paths, start=1):
        stat = tf.io.gfile.stat(path)
        key = f"{path} {stat.length} {stat.mtime_nsec}"
        if key not in cache:
            report(f"reading file {count} of {len(paths)} once, to learn what is in it")
            cache[key] = dataclasses.asdict(scan_file(path, report=report))
            if keeps_facts:
                _write_cache(cache_path, cache)
        facts[path] = _facts_from_dict(cache[key])
    return facts


def scan_file(path: str, *, report: Callable[[str], None] = lambda line: None) -> FileFacts:
    """Reads one file whole and returns its facts.

    Raises:
        UserError: as `scan_files`; the message names the file and the record.
    """
    compression: Literal["", "GZIP"] = "GZIP" if _starts_with(path, GZIP_MAGIC) else ""
    layout: Layout | None = None
    starts: list[tuple[int, int]] = []  # of each block: its first record, its byte offset
    num_records, offset, largest_id = 0, 0, 0
    reported = time.monotonic()
    for records in _record_batches(path, compression):
        layout = layout or _layout_of_first(path, records[0], compression)
        largest_id = max(largest_id, _largest_token_id(path, records, layout, num_records))
        for record in records:
            if not starts or (offset - starts[-1][1] >= BLOCK_BYTES and not compression):
                starts.append((num_records, offset))
            num_records += 1
            offset += len(record) + RECORD_FRAMING_BYTES
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            report(f"{path}: {num_records:,} records, {offset / 1e6:,.0f} MB read")
    if layout is None:
        raise UserError(f"{path} holds no record. Leave it out, or create it anew.")
    ends = [*(first for first, _ in starts[1:]), num_records]
    blocks = tuple(
        Block(path, byte_offset, end - first)
        for (first, byte_offset), end in zip(starts, ends, strict=True)
    )
    return FileFacts(layout=layout, vocab_size=largest_id + 1, blocks=blocks)


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
            raise UserError(f"{path} was replaced: it has {found.layout}, expected {layout}.")
        expected = sum(block.num_records for block in blocks if block.path == path)
        num_records = sum(block.num_records for block in found.blocks)
        if num_records < expected:
            raise UserError(f"{path} has {num_records} records, expected {expected}: truncated.")


def _record_batches(path: str, compression: str) -> Iterator[list[bytes]]:
    dataset = tf.data.TFRecordDataset(path, compression_type=compression)
    num_read, batch = 0, []
    try:
        for record in dataset.as_numpy_iterator():
            batch.append(record)
            num_read += 1
            if len(batch) == SCAN_BATCH:
                yield batch
                batch = []
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        raise UserError(
            f"{path} is damaged at record {num_read} (counted from 0{_or_later(compression)}): "
            "truncated or corrupt. "
            "Copy it again or create it anew."
        ) from error
    if batch:
        yield batch


def _or_later(compression: str) -> str:
    return ", or later, as it is compressed" if compression else ""


def _layout_of_first(path: str, record: bytes, compression: Literal["", "GZIP"]) -> Layout:
    example = tf.train.Example()
    try:
        example.ParseFromString(record)
    except Exception as error:  # protobuf's DecodeError is not public in every version
        raise UserError(f"{path}, record 0 is no tf.train.Example. Give BERT records.") from error
    stored = example.features.feature
    feature_names = detect_feature_names(stored)
    if feature_names is None:
        wanted = ", ".join(feature.name for feature in FEATURES)
        raise UserError(
            f"{path}, record 0 has the features {', '.join(sorted(stored)) or '(none)'}. "
            f"BERT pretraining needs {wanted}. Create records with "
            "tfrecords_tools/create_data.py."
        )
    by_length = {feature.length: feature for feature in reversed(FEATURES)}
    lengths = {}
    for length in ("max_seq_length", "max_predictions_per_seq"):
        values = stored[stored_name(by_length[length], feature_names)]
        lengths[length] = len(values.int64_list.value)
    return Layout(feature_names=feature_names, compression=compression, **lengths)


def _largest_token_id(path: str, records: list[bytes], layout: Layout, first_record: int) -> int:
    """Parses the records as `layout` says and returns the largest token id among them."""
    try:
        parsed = tf.io.parse_example(tf.constant(records), layout.features())
    except tf.errors.InvalidArgumentError as error:
        if len(records) > 1:  # find which
            return max(
                _largest_token_id(path, [record], layout, first_record + index)
                for index, record in enumerate(records)
            )
        raise UserError(
            f"{path}, record {first_record} (counted from 0) does not have the layout of the "
            f"first record, {layout}. All records of a file must be alike."
        ) from error
    _check_values(path, parsed, layout, first_record)
    ids = [stored_name(FEATURES[0], layout.feature_names), "masked_lm_ids"]
    return max(int(tf.reduce_max(parsed[name])) for name in ids)


def _check_values(
    path: str, parsed: dict[str, tf.Tensor], layout: Layout, first_record: int
) -> None:
    """Checks that each feature of the records is within its bounds."""
    largest = {
        "input_ids": tf.int32.max,
        "input_mask": 1,
        "segment_ids": 1,
        "masked_lm_positions": layout.max_seq_length - 1,
        "masked_lm_ids": tf.int32.max,
        "masked_lm_weights": 1.0,
        "next_sentence_labels": 1,
    }
    for feature in FEATURES:
        values = parsed[stored_name(feature, layout.feature_names)].numpy()
        # Written so that NaN is out of bounds as well.
        is_bad = ~((values >= 0) & (values <= largest[feature.name])).all(axis=1)
        if is_bad.any():
            raise UserError(
                f"{path}, record {first_record + int(is_bad.argmax())} (counted from 0) has "
                f"{feature.name} outside 0..{largest[feature.name]}. It is no BERT pretraining "
                "record; create the file anew."
            )


def _starts_with(path: str, prefix: bytes) -> bool:
    with tf.io.gfile.GFile(path, "rb") as file:
        return bool(file.read(len(prefix)) == prefix)


def _read_cache(path: str) -> dict[str, Any]:
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as file:
        try:
            cache: dict[str, Any] = json.load(file)
        except json.JSONDecodeError:  # cut short by a crash; the files are read again
            return {}
        return cache


def _write_cache(path: str, cache: dict[str, Any]) -> None:
    with naming_full_disk(os.path.dirname(path)):
        with tf.io.gfile.GFile(path + ".tmp", "w") as file:
            json.dump(cache, file, indent=1)
        tf.io.gfile.rename(path + ".tmp", path, overwrite=True)


def _facts_from_dict(facts: dict[str, Any]) -> FileFacts:
    return FileFacts(
        layout=Layout(**facts["layout"]),
        vocab_size=facts["vocab_size"],
        blocks=tuple(Block(**block) for block in facts["blocks"]),
    )
