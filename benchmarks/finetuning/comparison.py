"""What both sides are given, and what is made of what they did."""

import dataclasses
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.finetuning.job import Examples, Job
from benchmarks.step_time import participants, pipes
from benchmarks.step_time.turns import Participant
from mslt_tf.errors import UserError
from mslt_tf.finetuning import finetuning, results, updates
from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.squad.squad_splits import DEV
from mslt_tf.finetuning.squad.squad_task import SquadTask
from mslt_tf.finetuning.task import FineTuningTask, Outputs
from mslt_tf.finetuning_settings import FineTuningSettings

OURS, THEIRS = "ours", "transformers"
TRAIN = "train"  # what both are asked for in turns


@dataclasses.dataclass(frozen=True)
class Scored:
    """A whole fine-tuning of one side."""

    scores: Mapping[str, Mapping[str, float]]  # by split and metric
    seconds: float


class Comparison:
    """One task, and both sides of it."""

    def __init__(
        self, settings: FineTuningSettings, *, torch_compile: bool, same_batches: bool, folder: Path
    ):
        """Reads encoder and task.

        Args:
            settings: of one trial of one task; its output folder is used by `score_ours`.
            torch_compile: whether the peer compiles its model.
            same_batches: whether the peer takes our batches and not a random order.
            folder: where files may be written.

        Raises:
            UserError: there are several tasks or trials.
        """
        setup = Setup(settings, report=lambda line: None)
        if len(setup.trials()) != 1:
            raise UserError(
                f"--task={','.join(settings.task)} with {len(setup.trials())} trials is given. "
                "Give one task, one of --learning_rates and --num_seeds=1."
            )
        self._settings, self._folder = settings, folder
        self._task = setup.task(setup.names[0])
        self._job = job_of(settings, self._task, torch_compile, same_batches=same_batches)

    def start_ours(self) -> pipes.Child:
        """Starts our process, see `ours`."""
        path = self._folder / "settings.pickle"
        path.write_bytes(pickle.dumps(self._settings))
        return participants.start_process(OURS, "benchmarks.finetuning.ours", str(path))

    def start_theirs(self, torch_python: str) -> pipes.Child:
        """Starts the peer's process, see `theirs`."""
        path = self._folder / "job.json"
        self._job.write(path)
        module = "benchmarks.finetuning.theirs"
        return participants.start_process(THEIRS, module, str(path), python=torch_python)

    def participants(self, torch_python: str) -> list[Participant]:
        """Returns who takes turns; without a Python for it, the peer does not."""
        ours = Participant(OURS, self.start_ours, (TRAIN,))
        theirs = Participant(THEIRS, lambda: self.start_theirs(torch_python), (TRAIN,))
        return [ours, theirs] if torch_python else [ours]

    def score_ours(self) -> Scored:
        """Fine-tunes by run_finetuning."""
        finetuning.finetune(self._settings)
        (result,) = results.read_task(self._settings.output_dir, self._task.name)
        return Scored(result.scores, result.seconds)

    def score_theirs(self, torch_python: str) -> Scored:
        """Fine-tunes by the peer, and scores its outputs as ours."""
        child = self.start_theirs(torch_python)
        with pipes.children([child]):
            answer = child.ask("score")
        outputs = iter(answer["outputs"].values())  # in the order in which they are asked for

        def predict(_: Sequences) -> Outputs:
            return [np.array(each, np.float32) for each in next(outputs)]

        folder = self._folder / THEIRS
        folder.mkdir()
        return Scored(self._task.evaluate(predict, str(folder)), answer["seconds"])


def job_of(
    settings: FineTuningSettings, task: FineTuningTask, torch_compile: bool, *, same_batches: bool
) -> Job:
    """Returns what the peer is told, in order to do what the settings say."""
    training = settings.training
    num_epochs = training.num_epochs or task.num_epochs
    return Job(
        encoder=settings.encoder,
        **_model_and_examples(task),
        num_outputs=task.objective.num_outputs,
        max_length=settings.glue_max_length,
        batch_size=training.train_batch_size,
        learning_rate=settings.learning_rates[0],
        num_epochs=num_epochs,
        warmup_fraction=training.warmup_fraction,
        weight_decay_rate=training.weight_decay_rate,
        seed=settings.seed,
        precision=training.precision,
        torch_compile=torch_compile,
        epochs=_our_epochs(settings, task, num_epochs) if same_batches else (),
    )


def _model_and_examples(task: FineTuningTask) -> dict[str, Any]:
    if isinstance(task, GlueTask):
        return {
            "model": "AutoModelForSequenceClassification",
            "train": texts_of(task.train),
            "scored": {split.name: texts_of(split.examples) for split in task.scored},
        }
    assert isinstance(task, SquadTask)
    return {
        "model": "AutoModelForQuestionAnswering",
        "train": windows_of(task.training_sequences()),
        "scored": {DEV: windows_of(task.dev_sequences)},
    }


def windows_of(sequences: Sequences) -> Examples:
    """Returns the tokens of windows, and the positions of the answers where they are known."""
    borders = sequences.limits[:-1]
    tokens = {"input_ids": sequences.input_ids, "token_type_ids": sequences.type_ids}
    windows = {
        name: [each.tolist() for each in np.split(values, borders)]
        for name, values in tokens.items()
    }
    if sequences.targets is None:
        return windows
    starts, ends = sequences.targets.T.tolist()
    return {**windows, "start_positions": starts, "end_positions": ends}


def texts_of(examples: Sequence[Example]) -> Examples:
    """Returns the texts and labels of examples."""
    pairs = [example.text_pair for example in examples]
    return {
        "texts": [example.text for example in examples],
        "pairs": None if None in pairs else pairs,
        "labels": [example.label for example in examples],
    }


def _our_epochs(settings: FineTuningSettings, task: FineTuningTask, num_epochs: int) -> list[Any]:
    sequences = task.training_sequences()
    return [
        [
            batch.tolist()
            for batch in updates.epoch_batches(sequences, settings.training, settings.seed, epoch)
        ]
        for epoch in range(num_epochs)
    ]
