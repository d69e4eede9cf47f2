"""The splits of a task that a fine-tuning reads: what it trains on, and what it is scored on."""

import dataclasses
from collections.abc import Callable, Sequence

from mslt_tf.finetuning.glue import glue_data
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


def read(
    task: Task, glue_dir: str, *, report: Callable[[str], None]
) -> tuple[Sequence[Example], list[SplitExamples]]:
    """Returns the examples of train, and the labelled splits: that which runs are chosen by first.

    Args:
        task: one that is trained.
        glue_dir: folder of the folders CoLA, SST-2, ...
        report: takes lines about splits that are not scored, as their files are not there.

    Raises:
        UserError: see `glue_data.read`.
    """
    train = glue_data.read(task, TRAIN, glue_dir, report=report)
    scored = []
    for other in (task, *predicted_by(task)):
        for split in other.dev_splits:
            is_first = not scored
            if is_first or glue_data.has(other, split, glue_dir):
                examples = glue_data.read(other, split, glue_dir, report=report)
                scored.append(SplitExamples(other, split, examples))
            else:
                report(f"not scored: {other.title} {split}, as {glue_dir} has no such file")
    return train, scored


def read_tests(task: Task, glue_dir: str, *, report: Callable[[str], None]) -> list[SplitExamples]:
    """Returns the splits whose predictions are submitted, of a task and of those it predicts.

    Raises:
        UserError: see `glue_data.read`.
    """
    return [
        SplitExamples(other, split, glue_data.read(other, split, glue_dir, report=report))
        for other in (task, *predicted_by(task))
        for split in other.test_splits
    ]


def predicted_by(task: Task) -> list[Task]:
    """Returns the tasks that a task's model predicts beside its own."""
    return [other for other in TASKS if other.trained_as == task.name]
