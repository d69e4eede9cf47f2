"""Writes the zip file that GLUE's server scores.

It holds a file for each test file of a task, named in `glue_tasks`: a header, and then a row for
each example with its index and its label as the task's files write it, or its score.
"""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence

from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning.glue import submission_file
from mslt_tf.finetuning.glue.glue_tasks import TASKS, Task

HEADER = "index\tprediction"
# A prediction by the index of its example. See Task for what a prediction is.
Predictions = Mapping[int, float]

_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say; so equal content is equal bytes
_READABLE_BY_ALL = 0o644 << 16


def files() -> dict[str, tuple[Task, str]]:
    """Returns the task and the split of each file that a submission must have, by its name."""
    return {
        task.splits[split].submission or "": (task, split)
        for task in TASKS
        for split in task.test_splits
    }


def write(path: str, predictions: Mapping[str, Predictions]) -> str:
    """Writes a submission, and returns where it is, see `submission_file.write`.

    Args:
        path: of the zip file.
        predictions: by task's test file, named as in `files`. Absent ones are left out, which
            `glue_submission_check.validate` tells.

    Raises:
        UserError: it cannot be written, or a prediction is none, see `text_of`.
    """
    content = zip_bytes({name: text_of(name, found) for name, found in predictions.items()})
    with file_errors.writing(f"the submission {path}"):
        return submission_file.write(path, content)


def text_of(name: str, predictions: Predictions) -> str:
    """Returns the text of one file, in the order of the indices.

    Args:
        name: one of `files`.
        predictions: for all indices of the test file, in any order; a score is clipped to the
            task's range.

    Raises:
        UserError: a score is no number, as of a model that diverged.
        ValueError: the indices are not 0, 1, ..., or a prediction is no label's place.
    """
    task, _ = files()[name]
    if sorted(predictions) != list(range(len(predictions))):
        raise ValueError(f"{name} needs the indices 0 to {len(predictions) - 1}, each once")
    rows = (f"{index}\t{word_of(task, predictions[index])}" for index in sorted(predictions))
    return "\n".join((HEADER, *rows, ""))


def word_of(task: Task, prediction: float) -> str:
    """Returns a prediction as the task's files write it: a label, or a score within its range.

    Raises:
        UserError: a score is no number, as of a model that diverged.
        ValueError: the prediction is no label's place.
    """
    if task.score_range is None:
        return _label(task.labels, prediction)
    if not math.isfinite(prediction):
        raise UserError(
            f"the model of {task.title} diverged: a score is {prediction}. Train it again with a "
            "smaller --learning_rate."
        )
    low, high = task.score_range
    return f"{min(max(low, float(prediction)), high):.3f}"


def zip_bytes(texts: Mapping[str, str]) -> bytes:
    """Returns the bytes of a zip file of texts by their file name; equal texts, equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = _READABLE_BY_ALL
            archive.writestr(entry, texts[name].encode("utf-8"))
    return content.getvalue()


def _label(labels: Sequence[str], prediction: float) -> str:
    if prediction not in range(len(labels)):
        raise ValueError(f"{prediction} is no place in {labels}")
    return labels[int(prediction)]
