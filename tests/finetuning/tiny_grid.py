"""Tiny tasks in GLUE's official layout, an encoder for them, and grids that take seconds."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

from absl import flags

from mslt_tf import finetuning_flags
from mslt_tf.conversion import huggingface
from mslt_tf.finetuning_settings import FineTuningSettings
from tests.conversion.trained_models import trained_model

LETTERS = "abcdefghijklmnopqrstuvwx"
NUM_TRAIN, NUM_DEV = 44, 20

FLAGS = {
    "task": "mrpc",
    "learning_rates": "0.01",
    "num_seeds": 1,
    "num_epochs": 2,
    "train_batch_size": 8,
    "max_seq_length": 32,
    "log_steps": 2,
    "num_parallel_runs": 1,
}
NUM_STEPS = 2 * -(-NUM_TRAIN // 8)
_LABELS = {
    "mrpc": ("0", "1"),
    "rte": ("entailment", "not_entailment"),
    "stsb": ("0.500", "4.250"),
    "mnli": ("entailment", "neutral", "contradiction"),
}
_HEADERS = {
    "mrpc": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "rte": "index\tsentence1\tsentence2\tlabel",
    "stsb": "index\tsentence1\tsentence2\tscore",
    "mnli": "index\tsentence1\tsentence2\tgold_label",
    "ax": "Premise\tHypothesis\tLabel",
}
FILES = {
    "mrpc": {"train": "MRPC/train.tsv", "dev": "MRPC/dev.tsv"},
    "rte": {"train": "RTE/train.tsv", "dev": "RTE/dev.tsv"},
    "stsb": {"train": "STS-B/train.tsv", "dev": "STS-B/dev.tsv"},
    "mnli": {"train": "MNLI/train.tsv", "dev": "MNLI/dev_matched.tsv"},
    "ax": {"dev": "diagnostic/diagnostic-full.tsv"},
}


def write_glue(folder: Path) -> Path:
    """Writes small files of some tasks, MNLI's without dev_mismatched; returns the folder."""
    for name, files in FILES.items():
        for split, file in files.items():
            size = NUM_TRAIN if split == "train" else NUM_DEV
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [_row(name, index, split) for index in range(size)]
            path.write_text("\n".join([_HEADERS[name], *rows, ""]))
    return folder


def _row(name: str, index: int, split: str) -> str:
    """Returns a row whose label tells how many texts begin with a letter before m."""
    rng = random.Random(f"{split} {index}")
    first, second = (" ".join(rng.choices(LETTERS, k=rng.randint(2, 12))) for _ in range(2))
    labels = _LABELS["mnli" if name == "ax" else name]
    label = labels[((first < "m") + (second < "m")) % len(labels)]
    if name == "mrpc":
        return f"{label}\t1\t2\t{first}\t{second}"
    return f"{first}\t{second}\t{label}" if name == "ax" else f"{index}\t{first}\t{second}\t{label}"


def write_encoder(folder: Path) -> Path:
    """Writes an encoder of some thousand weights as a Hugging Face folder."""
    huggingface.write(trained_model(), str(folder))
    return folder


def settings(given: Mapping[str, object]) -> FineTuningSettings:
    """Returns the settings that the command line with these flags, and those of `FLAGS`, gives."""
    values = flags.FlagValues()
    finetuning_flags.define_flags(values)
    values(["program", *arguments(given)])
    return finetuning_flags.settings_from_flags(values)


def arguments(given: Mapping[str, object]) -> list[str]:
    """Returns flags, with those of `FLAGS`, as a command line has them."""
    return [f"--{name}={value}" for name, value in {**FLAGS, **given}.items()]


def result_of(folder: Path) -> dict[str, object]:
    """Returns how a trial ended, but for its times."""
    content = json.loads((folder / "result.json").read_text())
    return {name: content[name] for name in content if "second" not in name}


def losses_of(folder: Path) -> list[tuple[int, float]]:
    """Returns step and loss of each entry of a trial's training."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(each["step"], each["loss"]) for each in entries if each["kind"] == "train"]


def count_entries(folder: Path) -> int:
    """Returns how many entries a trial has logged."""
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
