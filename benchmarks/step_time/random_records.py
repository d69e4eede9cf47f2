"""Record files of random tokens, for a measurement of the real input pipeline."""

from pathlib import Path

import numpy as np

from mslt_tf.config import PretrainingConfig
from mslt_tf.stage_plan import Stage
from tfrecords_tools.dataset import records
from tfrecords_tools.recipe import masking

NUM_RECORDS = 4_096  # at least; in files of a quarter, as data sets come in several
NUM_FILES = 4
FIRST_WORD = 5  # ids below are special tokens


def write_all(config: PretrainingConfig, folder: Path) -> dict[int, tuple[str, ...]]:
    """Writes records for all lengths of the plan; returns their globs by length."""
    stages = {stage.seq_length: stage for stage in config.plan.stages}
    return {
        length: (
            write_records(folder / f"records_{length}", stage, vocab_size=config.model.vocab_size),
        )
        for length, stage in stages.items()
    }


def write_records(folder: Path, stage: Stage, *, vocab_size: int) -> str:
    """Writes enough records of the stage's lengths for an epoch of some batches; returns a glob."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    per_file = max(NUM_RECORDS, 4 * stage.batch_size) // NUM_FILES
    for index in range(NUM_FILES):
        features = random_features(rng, per_file, stage, vocab_size=vocab_size)
        name = records.shard_name("train", index, NUM_FILES)
        records.write_partial_shard(str(folder), name, batches=iter([features]))
        (folder / (name + records.PARTIAL_SUFFIX)).rename(folder / name)
    return str(folder / "train-*")


def random_features(
    rng: np.random.Generator, num_records: int, stage: Stage, *, vocab_size: int
) -> masking.Features:
    """Returns records without padding: two equal segments, all predictions used."""
    seq, predictions = stage.seq_length, stage.max_predictions_per_seq
    ids = rng.integers(FIRST_WORD, vocab_size, (num_records, seq), np.int32)
    order = np.argsort(rng.random((num_records, seq)), axis=1)
    positions = np.sort(order[:, :predictions], axis=1).astype(np.int32)
    return masking.Features(
        input_ids=ids,
        input_mask=np.ones_like(ids),
        segment_ids=np.broadcast_to(np.arange(seq) >= seq // 2, ids.shape).astype(np.int32),
        masked_lm_positions=positions,
        masked_lm_ids=np.take_along_axis(ids, positions, axis=1),
        masked_lm_weights=np.ones(positions.shape, np.float32),
        next_sentence_labels=rng.integers(0, 2, (num_records, 1), np.int32),
    )
