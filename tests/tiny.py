"""A model of a few hundred parameters, its flags, and records of random tokens for it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from absl import flags

from mslt_tf import pretraining_flags
from mslt_tf.config import PretrainingConfig
from mslt_tf.dataset_info import DatasetInfo, Shard, hash_vocabulary
from mslt_tf.pretraining_example import FEATURES, stored_name
from mslt_tf.records import record_files
from mslt_tf.vocabulary import SPECIAL_TOKENS

if TYPE_CHECKING:
    from mslt_tf.pretraining.run import Run

VOCAB_SIZE, SEQ_LENGTH, PREDICTIONS = 50, 16, 4
LONG_SEQ_LENGTH, LONG_PREDICTIONS = 32, 6

FLAGS = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 8,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "max_seq_length": SEQ_LENGTH,
    "max_predictions_per_seq": PREDICTIONS,
    "train_batch_size": 8,
    "num_train_steps": 10,
    "num_warmup_steps": 2,
    "learning_rate": 0.01,
    "log_steps": 2,
    "checkpoint_steps": 1_000,
    "distribution_strategy": "one_device",
    "xla": "off",  # it compiles for seconds; tests of what it compiles turn it on
}
# The last three steps at the greater length.
LONG_FLAGS = {
    "long_seq_length": LONG_SEQ_LENGTH,
    "long_max_predictions_per_seq": LONG_PREDICTIONS,
    "long_train_batch_size": 4,
    "long_seq_fraction": 0.3,
}


def config(**overrides: object) -> PretrainingConfig:
    """Returns the settings that the command line with these flags would give."""
    return config_from({**FLAGS, **overrides})


def config_from(settings: dict[str, object]) -> PretrainingConfig:
    """Returns the settings of exactly these flags, defaults for all others."""
    values = flags.FlagValues()
    pretraining_flags.define_flags(values)
    values(["program", *(f"--{name}={value}" for name, value in settings.items())])
    return pretraining_flags.config_from_flags(values)


def open_run(config: PretrainingConfig) -> "Run":
    """Returns a run that is ready to train, as the program would before its first step."""
    # Most tests need no part of them.
    from mslt_tf.pretraining import run_folder, run_setup, worker_setup

    workers = worker_setup.start_workers(config)
    with run_folder.claimed(config, workers, writes=False):
        return run_setup.open_run(config, workers)


def record(
    rng: np.random.Generator,
    *,
    feature_names: str = "v1",
    seq_length: int = SEQ_LENGTH,
    predictions: int = PREDICTIONS,
    vocab_size: int = VOCAB_SIZE,
    without: str = "",
    **fixed: list[int],
) -> bytes:
    """Returns a serialized record of random tokens with 1 to `predictions` of them masked.

    `fixed` sets features; `without` leaves one out.
    """
    num_tokens = int(rng.integers(seq_length // 2, seq_length + 1))
    num_masked = int(rng.integers(1, predictions + 1))
    positions = np.sort(rng.choice(np.arange(1, num_tokens), num_masked, replace=False))
    ids = np.zeros(seq_length, int)
    ids[:num_tokens] = rng.integers(5, vocab_size, num_tokens)
    padded = np.zeros((2, predictions), int)
    padded[:, :num_masked] = positions, ids[positions]
    ids[positions] = 4
    columns = np.arange(seq_length)
    values = {
        "input_ids": ids,
        "input_mask": columns < num_tokens,
        "segment_ids": (columns >= num_tokens // 2) & (columns < num_tokens),
        "masked_lm_positions": padded[0],
        "masked_lm_ids": padded[1],
        "masked_lm_weights": np.arange(predictions) < num_masked,
        "next_sentence_labels": rng.integers(0, 2, 1),
        **fixed,
    }
    example = tf.train.Example()
    for feature in FEATURES:
        if feature.name == without:
            continue
        stored = example.features.feature[stored_name(feature, feature_names)]
        if feature.dtype == "int64":
            stored.int64_list.value.extend(int(value) for value in values[feature.name])
        else:
            stored.float_list.value.extend(float(value) for value in values[feature.name])
    return example.SerializeToString()


def long_record(rng: np.random.Generator, **fixed: list[int]) -> bytes:
    """Returns a record of the greater length; it has no padding, so every position counts."""
    fixed = {"input_mask": [1] * LONG_SEQ_LENGTH, **fixed}
    return record(rng, seq_length=LONG_SEQ_LENGTH, predictions=LONG_PREDICTIONS, **fixed)


def numbered_record(number: int, *, seq_length: int = SEQ_LENGTH) -> bytes:
    """Returns a record that tells its number: all its tokens are it."""
    make = long_record if seq_length == LONG_SEQ_LENGTH else record
    return make(np.random.default_rng(number), input_ids=[number] * seq_length)


def write_shard(path: Path, records: list[bytes], *, compression: str = "") -> None:
    """Writes a TFRecord file."""
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for serialized in records:
            writer.write(serialized)


def write_random_shards(
    folder: Path, *, seed: int = 0, sizes: tuple[int, ...] = (40, 24), long: bool = False
) -> str:
    """Writes shards of random records and returns their glob."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    make = long_record if long else record
    for index, size in enumerate(sizes):
        write_shard(folder / f"part-{index}.tfrecord", [make(rng) for _ in range(size)])
    return str(folder / "part-*.tfrecord")


def damage(path: Path) -> None:
    """Changes a bit of a file, as a failing disk would: its size and its time stay."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def open_random_shards(folder: Path) -> record_files.Records:
    """Writes shards of random records and opens them."""
    return record_files.open_records(
        [write_random_shards(folder)],
        cache_path=str(folder / "facts.json"),
        report=lambda line: None,
    )


def vocabulary() -> list[str]:
    """Returns a vocabulary of the model's size."""
    # The line separator is a token of some vocabularies, and no end of a line.
    words = [f"token{i}" for i in range(VOCAB_SIZE - len(SPECIAL_TOKENS) - 1)]
    return [*SPECIAL_TOKENS, "\u2028", *words]


def describe(folder: Path, names: list[str], **changes: object) -> None:
    """Writes a dataset_info.json that is right for the shards, but for `changes`."""
    shards = tuple(
        Shard(name, sum(1 for _ in tf.data.TFRecordDataset(str(folder / name))), size)
        for name, size in ((name, (folder / name).stat().st_size) for name in names)
    )
    facts = {
        "max_seq_length": SEQ_LENGTH,
        "max_predictions_per_seq": PREDICTIONS,
        "vocab_size": VOCAB_SIZE,
        "vocab_sha256": hash_vocabulary(vocabulary()),
        "source_sha256": "s",
        "splits": {"train": shards},
    }
    info = DatasetInfo(**(facts | changes))
    (folder / "dataset_info.json").write_text(info.to_json())


def metrics(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Returns the entries of one kind, "train" or "eval", of a run's metrics.jsonl."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def unigram_entropy(pattern: str) -> float:
    """Returns the entropy in nats of the masked tokens' frequencies; it tells record sets apart."""
    counts = np.zeros(VOCAB_SIZE)
    for serialized in tf.data.TFRecordDataset(tf.io.gfile.glob(pattern)).as_numpy_iterator():
        features = tf.train.Example.FromString(serialized).features.feature
        ids = np.array(features["masked_lm_ids"].int64_list.value)
        real = np.array(features["masked_lm_weights"].float_list.value) > 0
        np.add.at(counts, ids[real], 1)
    shares = counts[counts > 0] / counts.sum()
    return -float(np.sum(shares * np.log(shares)))
