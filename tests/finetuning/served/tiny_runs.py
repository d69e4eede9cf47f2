"""Fine-tunings of a tiny encoder on a few odd texts, and what they export."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from mslt_tf.conversion import huggingface
from mslt_tf.finetuning import finetuning
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings
from tests.conversion import trained_models
from tests.finetuning.squad import squad_texts
from tests.modeling.small_models import tiny_config

TEXTS = (
    "A good film.",
    "the café  e\u0301tait  fermé",
    "北京是中华人民共和国的首都。",
    "one\u2028two \U0001f600 three",
    'he said "no", ' * 9,
    "Zoë",
    "𝔘𝔫𝔦 code \u0130",
    "x" * 120,
    "...",
)
PAIRS = tuple((first, second) for first in TEXTS[:6] for second in (*TEXTS[3:7], ""))
MAX_LENGTH = 24


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished fine-tuning."""

    folder: Path
    settings: FineTuningSettings

    def load(self, task: str, name: str | None = None) -> Any:
        return tf.saved_model.load(str(self.folder / task / "export" / (name or task) / "1"))

    def manifest(self, task: str) -> dict[str, Any]:
        path = self.folder / task / "export" / "export_manifest.json"
        return json.loads(path.read_text("utf-8"))

    def results(self, task: str) -> list[TrialResult]:
        """Returns all results, the best first."""
        paths = (self.folder / task).glob("*/result.json")
        found = [TrialResult(**json.loads(path.read_text())) for path in paths]
        return sorted(found, key=lambda result: -result.selection_score)


def write_encoder(folder: Path, *texts: str, **sizes: int) -> tuple[str, ...]:
    """Writes an encoder with the letters of some texts; returns its vocabulary."""
    vocabulary = tuple(squad_texts.vocabulary(*texts))
    config = tiny_config(vocab_size=len(vocabulary), num_hidden_layers=1, **sizes)
    model = trained_models.trained_model(config, vocabulary=vocabulary)
    huggingface.write(model, str(folder))
    return vocabulary


def finetune(folder: Path, **settings: Any) -> Run:
    """Fine-tunes the encoder in `folder`, and exports the best trials."""
    output = folder / "output"
    made = FineTuningSettings(
        training=TrainingSettings(num_epochs=3, train_batch_size=8),
        encoder=str(folder / "encoder"),
        output_dir=str(output),
        num_parallel_runs=1,
        export=True,
        **settings,
    )
    assert finetuning.finetune(made) == 0
    return Run(output, made)


def finetune_on_mrpc(folder: Path) -> Run:
    """Two learning rates; the label is 1 where the first text is one of the first three.

    But for some of dev, so that no model has all right.
    """
    write_encoder(folder / "encoder", *TEXTS)
    (folder / "glue" / "MRPC").mkdir(parents=True)
    for split in ("train", "dev"):
        lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
        for i, (first, second) in enumerate(PAIRS):
            is_wrong = split == "dev" and i % 7 == 0
            lines.append(f"{int((first in TEXTS[:3]) != is_wrong)}\t1\t2\t{first}\t{second}")
        path = folder / "glue" / "MRPC" / f"{split}.tsv"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return finetune(
        folder,
        task=("mrpc",),
        glue_dir=str(folder / "glue"),
        max_seq_length=MAX_LENGTH,
        learning_rates=(1e-4, 1e-2),
        num_seeds=1,
    )
