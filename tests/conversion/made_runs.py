"""Folders of runs with a checkpoint at the end of each stage, made without training."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.files import vocabulary_file
from mslt_tf.pretraining import run_record
from mslt_tf.pretraining.stage_parts import StageParts
from mslt_tf.records import record_sets
from mslt_tf.training import checkpointing
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import tiny

WORDS = ("the", "cat", "sat", "on", "mat", "dog", "ran", "##s", "##ed", "##ing", ".", ",", "?")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
VOCABULARY = (*SPECIAL_TOKENS, *WORDS, *LETTERS, "##a", "##e", "##i", "##n", "##t", "##u")
assert len(VOCABULARY) == tiny.VOCAB_SIZE

TWO_STAGES = {"num_hidden_layers": 4, "num_stages": 2, "stage_steps": "3,2,4"}  # and joint
ALBERT = {"embedding_size": 6, "num_hidden_layers": 8, "num_hidden_groups": 4}
ENDS = (3, 5, 9)  # of the stages


def write(folder: Path, *, num_stages: int = 3, **flags: object) -> PretrainingConfig:
    """Writes a run of two stages and a joint one, of which `num_stages` are done."""
    folder.mkdir(parents=True)
    vocabulary = folder.parent / "vocab.txt"
    vocabulary.write_text("".join(f"{token}\n" for token in VOCABULARY), "utf-8")
    settings = {"vocab_file": vocabulary, **TWO_STAGES, "num_train_steps": 9, **flags}
    config = tiny.config(**settings, output_dir=folder)
    run_record.write(config, step=0)
    tokens = vocabulary_file.read(config.vocab_file, vocab_size=config.model.vocab_size)
    for span in config.plan.spans[:num_stages]:
        parts = StageParts.build(config, span, "off")
        randomize(parts.model, seed=(config.seed, span.index))
        parts.global_step.assign(span.end)
        checkpointing.save(
            str(folder / "checkpoints"),
            parts.checkpoint(),
            step=span.end,
            identity={**config.identity(), "objective": "mlm+nsp", "data": {}},
            settings={record_sets.VOCABULARY: hash_vocabulary(tokens)},
            num_kept=9,
        )
    return config


def randomize(model: tf.keras.Model, *, seed: int | tuple[int, ...]) -> None:
    """Gives each weight a number of its own, biases and LayerNorms included."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        offset = 1.0 if variable.name.endswith("gamma:0") else 0.0
        variable.assign(offset + rng.normal(0, 0.15, variable.shape))
