"""Reads GLUE from tensorflow-datasets: the examples that `glue_data` reads from official files."""

import numpy as np

from mslt_tf.errors import UserError
from mslt_tf.finetuning import prepared_examples
from mslt_tf.finetuning.glue.glue_data import Example
from mslt_tf.finetuning.glue.glue_tasks import Task

_NO_LABEL = -1
_INSTEAD = "give the official files by --glue_dir"


def has(task: Task, split: str) -> bool:
    """Returns whether tensorflow-datasets has a split; of the diagnostic it lacks the labels."""
    return task.splits[split].is_in_tfds


def read(task: Task, split: str, *, data_dir: str, download: bool) -> list[Example]:
    """Returns the examples of a split in the order of the official file.

    Args:
        task: one of GLUE's.
        split: a name of `task.splits`.
        data_dir: where prepared data sets are; "" for tensorflow-datasets' own place.
        download: whether to download and prepare the data set where it is not there.

    Raises:
        UserError: tensorflow-datasets lacks the split, the data set is not prepared or cannot be
            read, or its labels or indices are not the task's.
    """
    if not has(task, split):
        raise UserError(
            f"{task.title} of tensorflow-datasets has no labels for its {split} split. To be "
            f"scored on it, {_INSTEAD}."
        )
    name = f"glue/{task.name}"
    columns = ("idx", "label", *_texts(task, split))
    rows = sorted(
        prepared_examples.read(
            name,
            split.replace("dev", "validation"),
            columns,
            data_dir=data_dir,
            download=download,
            instead=_INSTEAD,
        )
    )
    is_test = split in task.test_splits
    if is_test:
        _check_indices(name, [index for index, *_ in rows])
    # Elsewhere indices may have gaps: for torn rows, and because splits were parted later.
    return [
        Example(row, text, pair[0] if pair else None, None if is_test else _label(task, label))
        for row, (_, label, text, *pair) in enumerate(rows)
    ]


def _texts(task: Task, split: str) -> tuple[str, ...]:
    columns = (task.splits[split].text, task.splits[split].text_pair)
    return task.tfds_texts or tuple(column for column in columns if column is not None)


def _label(task: Task, label: float) -> int | float:
    if task.score_range is not None:
        low, high = task.score_range
        # What is stored has 32 bits: the shortest number that rounds to it is the file's.
        score = float(str(np.float32(label)))
        is_known = low <= score <= high
        found: int | float = score
    else:
        is_known = 0 <= label < len(task.labels)
        found = int(label)
    if not is_known:
        known = f"of {low:g} to {high:g}" if task.is_regression else f"below {len(task.labels)}"
        raise UserError(
            f"{task.title} of tensorflow-datasets has the label {label:g}, not one {known}. "
            f"Prepare it anew, or {_INSTEAD}."
        )
    return found


def _check_indices(name: str, indices: list[int]) -> None:
    """Checks that the indices, in order, are 0, 1, ...: they are the rows of the submission."""
    if indices != list(range(len(indices))):
        raise UserError(
            f"{name} of tensorflow-datasets has {len(indices)} test rows, whose idx must be 0 to "
            f"{len(indices) - 1}, each once. Prepare it anew, or {_INSTEAD}."
        )
