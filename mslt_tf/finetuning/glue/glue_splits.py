"""The splits of a task that a fine-tuning reads: what it trains on, and what it is scored on."""

import dataclasses
from collections.abc import Callable, Sequence

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_data, glue_tfds
from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_tasks import TASKS, Task

TRAIN = "train"


@dataclasses.dataclass(frozen=True)
class SplitExamples:
    """A split with its examples."""

    task: Task  # the one that is trained, or another that the same model predicts
    split: str
    examples: Sequence[Example]

    @property
    def name(self) -> str:
        """As scores and files have it, e.g. "dev_matched" or "ax_dev"."""
        return f"{self.task.name}_{self.split}" if self.task.trained_as else self.split

    @property
    def file(self) -> str:
        """Of a submission that holds its predictions; "" where they are not submitted."""
        return self.task.splits[self.split].submission or ""


class Source:
    """Where the examples of GLUE come from: official files, or tensorflow-datasets."""

    def __init__(self, glue_dir: str, tfds_data_dir: str, *, report: Callable[[str], None]) -> None:
        """Reads nothing yet but whether the folder is there.

        Args:
            glue_dir: folder of the folders CoLA, SST-2, ...; "" for tensorflow-datasets.
            tfds_data_dir: where that keeps its data.
            report: takes lines about rows that are passed over, and splits that are not scored.

        Raises:
            UserError: neither folder is given, or that of GLUE is not there.
        """
        if glue_dir:
            glue_data.check_folder(glue_dir)
        elif not tfds_data_dir:
            raise UserError(
                "GLUE's data are not named. Give its official files by --glue_dir, or by "
                "--tfds_data_dir a folder for tensorflow-datasets, which downloads them."
            )
        self._glue_dir, self._tfds_data_dir, self._report = glue_dir, tfds_data_dir, report

    def train(self, task: Task) -> Sequence[Example]:
        """Returns what a task trains on.

        Raises:
            UserError: see `glue_data.read` and `glue_tfds.read`.
        """
        return self._read(task, TRAIN)

    def scored(self, task: Task) -> list[SplitExamples]:
        """Returns the labelled splits, of a task and of those it predicts; its own first.

        Of those but the first, what is not there is left out, and told.

        Raises:
            UserError: as `train`.
        """
        first, *others = [(each, s) for each in family(task) for s in each.dev_splits]
        there = [first, *(other for other in others if self._has(*other))]
        for each, split in others:
            if (each, split) not in there:
                self._report(f"not scored: {each.title} {split}, which {self._name} lacks")
        found = [SplitExamples(each, split, self._read(each, split)) for each, split in there]
        for split in found:
            self._tell_constant(split)
        return found

    def tests(self, task: Task) -> list[SplitExamples]:
        """Returns the splits whose predictions are submitted, of a task and of those it predicts.

        Raises:
            UserError: as `train`.
        """
        return [SplitExamples(each, split, self._read(each, split)) for each, split in _tests(task)]

    def _tell_constant(self, split: SplitExamples) -> None:
        labels = {example.label for example in split.examples}
        if len(labels) == 1:
            self._report(
                f"note: all examples of {split.task.title} {split.split} have the same label, so "
                "its scores say nothing"
            )

    @property
    def _name(self) -> str:
        return self._glue_dir or "tensorflow-datasets"

    def _has(self, task: Task, split: str) -> bool:
        if self._glue_dir:
            return glue_data.has(task, split, self._glue_dir)
        return glue_tfds.has(task, split)

    def _read(self, task: Task, split: str) -> Sequence[Example]:
        if self._glue_dir:
            return glue_data.read(task, split, self._glue_dir, report=self._report)
        return glue_tfds.read(task, split, data_dir=self._tfds_data_dir, download=True)


def needed(task: Task, *, with_tests: bool) -> list[tuple[Task, str]]:
    """Returns the splits without which a task cannot be trained, scored and, if so, submitted."""
    return [(task, TRAIN), (task, task.dev_splits[0]), *(_tests(task) if with_tests else ())]


def _tests(task: Task) -> list[tuple[Task, str]]:
    return [(each, split) for each in family(task) for split in each.test_splits]


def family(task: Task) -> list[Task]:
    """Returns a task that is trained, and the others that its model predicts."""
    return [task, *(other for other in TASKS if other.trained_as == task.name)]
