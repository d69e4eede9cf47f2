"""Fine-tunings of a tiny encoder on a few odd texts, and what they export."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from mslt_tf.conversion import huggingface
from mslt_tf.finetuning import finetuning
from mslt_tf.finetuning.squad.squad_data import Question
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings
from mslt_tf.squad_settings import SquadSettings, WindowSizes
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

    def model(self, task: str, name: str | None = None) -> Path:
        """Returns the folder of a SavedModel; `name` is as in URLs, where that is another."""
        return self.folder / task / "export" / (name or task) / "1"

    def load(self, task: str, name: str | None = None) -> Any:
        return tf.saved_model.load(str(self.model(task, name)))

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


def finetune(folder: Path, *, num_epochs: int, **settings: Any) -> Run:
    """Fine-tunes the encoder in `folder`, and exports the best trials."""
    output = folder / "output"
    made = FineTuningSettings(
        training=TrainingSettings(num_epochs=num_epochs, train_batch_size=8),
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
        num_epochs=3,
        task=("mrpc",),
        glue_dir=str(folder / "glue"),
        max_seq_length=MAX_LENGTH,
        learning_rates=(1e-4, 1e-2),
        num_seeds=1,
    )


def finetune_on_squad(folder: Path) -> Run:
    """One trial of SQuAD 2.0: trained on short contexts, scored on those of many windows."""
    train = [*_questions(lambda context: context)] * 3
    dev = [*_questions(lambda context: f"{context} {context[::-1]} {context}")]
    write_encoder(folder / "encoder", *(each.context + each.question for each in train))
    (folder / "squad").mkdir()
    for split, questions in (("train", train), ("dev", dev)):
        numbered = [each._replace(id=f"q{i}") for i, each in enumerate(questions)]
        layout = squad_texts.layout(*numbered, has_impossible=True)
        squad_texts.write(folder / "squad" / f"{split}-v2.0.json", layout)
    return finetune(
        folder,
        num_epochs=16,
        task=("squad_2.0",),
        squad_dir=str(folder / "squad"),
        squad=SquadSettings(WindowSizes(34, 7, 10)),
        learning_rates=(1e-2,),
        num_seeds=1,
    )


def _questions(make_context: Callable[[str], str]) -> Iterator[Question]:
    """Yields questions, every third without an answer."""
    for i, (context, answer) in enumerate(squad_texts.AWKWARD.items()):
        is_impossible = i % 3 == 2
        answers = [] if is_impossible else [answer]
        yield squad_texts.question(make_context(context), *answers, is_impossible=is_impossible)
