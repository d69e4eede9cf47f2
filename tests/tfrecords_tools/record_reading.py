"""Reads the records of a folder by TensorFlow alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords_tools.recipe.recipe import Recipe

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

V2_NAMES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
Record = dict[str, np.ndarray]
Records = dict[str, np.ndarray]  # the same, with a first axis [records]


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


def read_arrays(
    folder: str | Path,
    split: str,
    recipe: Recipe,
    *,
    feature_names: str = "v1",
    compression: str = "",
) -> Records:
    """Returns all records of a split, each feature as one array, under BERT's names."""
    lengths = {SEQ_LENGTH: recipe.max_seq_length, NUM_PREDICTIONS: recipe.max_predictions_per_seq}
    stored = {
        name: V2_NAMES.get(name, name) if feature_names == "v2" else name for name in FEATURES
    }
    features = {
        stored[name]: tf.io.FixedLenFeature([lengths.get(feature.shape[0], 1)], feature.dtype)
        for name, feature in FEATURES.items()
    }
    paths = sorted(str(path) for path in Path(folder).glob(f"{split}-*"))
    serialized = list(tf.data.TFRecordDataset(paths, compression_type=compression).batch(1_000_000))
    parsed = tf.io.parse_example(serialized[0], features)
    return {name: parsed[stored[name]].numpy() for name in FEATURES}


def unmasked(records: Records) -> np.ndarray:
    """Returns the ids [records, seq] as they were before masking."""
    ids = records["input_ids"].copy()
    rows, columns = np.nonzero(records["masked_lm_weights"])
    places = records["masked_lm_positions"][rows, columns]
    ids[rows, places] = records["masked_lm_ids"][rows, columns]
    return ids


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


def contents(folder: str | Path) -> dict[str, bytes]:
    """Returns all files of a folder and of those in it, by their paths there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
