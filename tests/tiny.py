"""A model of a few hundred parameters, its flags, and records of random tokens for it."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import flags

from mslt_tf import pretraining_flags
from mslt_tf.config import PretrainingConfig
from mslt_tf.pretraining_example import FEATURES, stored_name

VOCAB_SIZE, SEQ_LENGTH, PREDICTIONS = 50, 16, 4

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


def record(
    rng: np.random.Generator,
    *,
    feature_names: str = "v1",
    seq_length: int = SEQ_LENGTH,
    vocab_size: int = VOCAB_SIZE,
    without: str = "",
    **fixed: list[int],
) -> bytes:
    """Returns a serialized record of random tokens with 1 to PREDICTIONS of them masked.

    `fixed` sets features; `without` leaves one out.
    """
    num_tokens = int(rng.integers(seq_length // 2, seq_length + 1))
    num_masked = int(rng.integers(1, PREDICTIONS + 1))
    positions = np.sort(rng.choice(np.arange(1, num_tokens), num_masked, replace=False))
    ids = np.zeros(seq_length, int)
    ids[:num_tokens] = rng.integers(5, vocab_size, num_tokens)
    padded = np.zeros((2, PREDICTIONS), int)
    padded[:, :num_masked] = positions, ids[positions]
    ids[positions] = 4
    columns = np.arange(seq_length)
    values = {
        "input_ids": ids,
        "input_mask": columns < num_tokens,
        "segment_ids": (columns >= num_tokens // 2) & (columns < num_tokens),
        "masked_lm_positions": padded[0],
        "masked_lm_ids": padded[1],
        "masked_lm_weights": np.arange(PREDICTIONS) < num_masked,
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


def numbered_record(number: int) -> bytes:
    """Returns a record that tells its number: all its tokens are it."""
    return record(np.random.default_rng(number), input_ids=[number] * SEQ_LENGTH)


def write_shard(path: Path, records: list[bytes], *, compression: str = "") -> None:
    """Writes a TFRecord file."""
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for serialized in records:
            writer.write(serialized)


def write_random_shards(folder: Path, *, seed: int = 0, sizes: tuple[int, ...] = (40, 24)) -> str:
    """Writes shards of random records and returns their glob."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index, size in enumerate(sizes):
        write_shard(folder / f"part-{index}.tfrecord", [record(rng) for _ in range(size)])
    return str(folder / "part-*.tfrecord")
