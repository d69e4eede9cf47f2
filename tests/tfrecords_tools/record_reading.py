"""Reads the records of a folder by TensorFlow alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

SEQ_LENGTH, NUM_PREDICTIONS = 32, 5  # as in `make_settings`
FEATURES = {
    "input_ids": tf.io.FixedLenFeature([SEQ_LENGTH], tf.int64),
    "input_mask": tf.io.FixedLenFeature([SEQ_LENGTH], tf.int64),
    "segment_ids": tf.io.FixedLenFeature([SEQ_LENGTH], tf.int64),
    "masked_lm_positions": tf.io.FixedLenFeature([NUM_PREDICTIONS], tf.int64),
    "masked_lm_ids": tf.io.FixedLenFeature([NUM_PREDICTIONS], tf.int64),
    "masked_lm_weights": tf.io.FixedLenFeature([NUM_PREDICTIONS], tf.float32),
    "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64),
}

Record = dict[str, np.ndarray]


def read_file(path: Path) -> Iterator[Record]:
    for serialized in tf.data.TFRecordDataset(str(path)):
        assert set(tf.train.Example.FromString(serialized.numpy()).features.feature) == set(
            FEATURES
        )
        parsed = tf.io.parse_single_example(serialized, FEATURES)
        yield {name: value.numpy() for name, value in parsed.items()}


def read_split(folder: str, split: str) -> list[Record]:
    return [
        record for path in sorted(Path(folder).glob(f"{split}-*")) for record in read_file(path)
    ]


def segments(record: Record, vocabulary: list[str]) -> tuple[list[str], list[str]]:
    """Returns the tokens of both segments as they were before masking."""
    ids = record["input_ids"].copy()
    weights = record["masked_lm_weights"] > 0
    ids[record["masked_lm_positions"][weights]] = record["masked_lm_ids"][weights]
    length = record["input_mask"].sum()
    assert not ids[length:].any()
    tokens = [vocabulary[token] for token in ids[:length]]
    separator = tokens.index("[SEP]")
    assert tokens[0] == "[CLS]"
    assert tokens[-1] == "[SEP]"
    assert record["segment_ids"].sum() == length - separator - 1
    return tokens[1:separator], tokens[separator + 1 : -1]


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
