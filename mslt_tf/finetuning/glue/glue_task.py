"""A task of GLUE to train on and to score."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning import objectives
from mslt_tf.finetuning.glue import glue_metrics, glue_submission
from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_sequences import PairTokenizer
from mslt_tf.finetuning.glue.glue_splits import TRAIN, SplitExamples
from mslt_tf.finetuning.glue.glue_submission import Predictions
from mslt_tf.finetuning.glue.glue_tasks import Task
from mslt_tf.finetuning.objectives import Objective
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.task import Outputs, Predict, Scores


@dataclasses.dataclass(frozen=True)
class GlueTask:
    """A task of GLUE, a `FineTuningTask`. What is tokenised is tokenised once."""

    task: Task
    train: Sequence[Example]
    scored: Sequence[SplitExamples]  # its labelled splits; runs are chosen by the first of them
    tokenizer: PairTokenizer
    tests: Sequence[SplitExamples] = ()  # the splits to be submitted, where they are asked for

    @property
    def name(self) -> str:
        """As --task takes it."""
        return self.task.name

    @property
    def objective(self) -> Objective:
        """One of the task's labels, or a score."""
        if self.task.is_regression:
            return objectives.regression()
        return objectives.classification(len(self.task.labels))

    @property
    def num_epochs(self) -> int:
        """The paper's."""
        return self.task.num_epochs

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all texts and labels of train and the first scored split, in their order."""
        return _fingerprint({TRAIN: self.train, self.scored[0].name: self.scored[0].examples})

    @functools.cached_property
    def further_fingerprints(self) -> Mapping[str, str]:
        """The same of each of the other scored splits."""
        return {each.name: _fingerprint({each.name: each.examples}) for each in self.scored[1:]}

    @property
    def num_characters(self) -> int:
        """Of all training texts."""
        return sum(len(each.text) + len(each.text_pair or "") for each in self.train)

    def training_sequences(self) -> Sequences:
        """Returns the examples of train."""
        return self._train

    def evaluate(
        self, predict: Predict, folder: str, *, splits: Collection[str] | None = None
    ) -> Mapping[str, Scores]:
        """Returns the scores of each labelled split, and writes predictions_SPLIT.tsv for each.

        Where `splits` are given, only of those.

        Raises:
            UserError: an output is not finite, or a file cannot be written.
        """
        scores = {}
        for split in self.scored:
            if splits is not None and split.name not in splits:
                continue
            sequences = self._scored[split.name]
            predictions = predictions_of(split.task, predict(sequences))
            labels = [example.label for example in split.examples]
            scores[split.name] = glue_metrics.score(split.task, labels, predictions)
            _write_predictions(folder, split, predictions)
        return scores

    def predict_tests(self, predict: Predict) -> dict[str, Predictions]:
        """Returns predictions by the files of a submission, see `glue_submission.files`.

        Raises:
            UserError: an output is not finite.
        """
        found = {}
        for tests in self.tests:
            outputs = predict(self.tokenizer.sequences(tests.examples))
            indices = (example.index for example in tests.examples)
            predictions = predictions_of(tests.task, outputs).tolist()
            found[tests.file] = dict(zip(indices, predictions, strict=True))
        return found

    def selection_score(self, scores: Mapping[str, Scores]) -> float:
        """Returns the mean of the metrics on the first scored split."""
        return glue_metrics.selection_score(scores[self.scored[0].name])

    def identity(self) -> Mapping[str, Any]:
        """Returns the longest sequence."""
        return {"max_length": self.tokenizer.max_length}

    @functools.cached_property
    def _train(self) -> Sequences:
        return self.tokenizer.sequences(self.train)

    @functools.cached_property
    def _scored(self) -> dict[str, Sequences]:
        return {each.name: self.tokenizer.sequences(each.examples) for each in self.scored}


def _fingerprint(splits: Mapping[str, Sequence[Example]]) -> str:
    """Returns SHA-256 of texts and labels of splits by name, in their order."""
    digest = hashlib.sha256()
    for name, examples in splits.items():
        digest.update(json.dumps([name, len(examples)]).encode())
        for example in examples:
            digest.update(json.dumps(dataclasses.astuple(example)).encode())
    return digest.hexdigest()


def predictions_of(task: Task, outputs: Outputs) -> npt.NDArray[np.generic]:
    """Returns what a model says of each example: a place in `task.labels`, or a score.

    Args:
        task: one of GLUE's.
        outputs: of each example, [labels] or [1].

    Raises:
        UserError: one is not finite.
    """
    stacked = np.stack(outputs)
    if not np.isfinite(stacked).all():
        raise UserError(
            f"an output of the model of {task.title} is not finite: its training went astray. "
            "Give smaller --learning_rates."
        )
    return stacked[:, 0] if task.is_regression else stacked.argmax(axis=1)


def _write_predictions(
    folder: str, split: SplitExamples, predictions: npt.NDArray[np.generic]
) -> None:
    path = os.path.join(folder, f"predictions_{split.name}.tsv")
    rows = [
        f"{example.index}\t{_word(split.task, prediction)}"
        for example, prediction in zip(split.examples, predictions.tolist(), strict=True)
    ]
    with file_errors.writing(path), tf.io.gfile.GFile(path, "w") as file:
        file.write("\n".join([glue_submission.HEADER, *rows, ""]))


def _word(task: Task, prediction: float) -> str:
    """Returns a label as the task's files write it, or a score as it was scored, not clipped."""
    if task.is_regression:
        return f"{prediction:.6f}"
    return glue_submission.word_of(task, prediction)
