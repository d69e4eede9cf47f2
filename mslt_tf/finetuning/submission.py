"""Predictions of GLUE's test sets by the best trial of each task, as GLUE's server takes them."""

import os

from mslt_tf.files import file_errors
from mslt_tf.finetuning import best_trial
from mslt_tf.finetuning.glue import (
    glue_data,
    glue_submission,
    glue_submission_check,
    submission_file,
)
from mslt_tf.finetuning.glue.glue_submission import Predictions
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.setup import Setup
from mslt_tf.terminal import say

FILE = "submission.zip"
WRONG_STATUS = 1  # the exit status where GLUE would find something wrong with a submission


def write(setup: Setup) -> bool:
    """Writes submission.zip into the output folder, and says what GLUE would find wrong with it.

    One of an earlier start is replaced. Any other file of the name stays, see `submission_file`.

    Returns:
        Whether nothing is wrong, but for files that `tell_before` said it is going to lack.

    Raises:
        UserError: a model is gone, or it cannot be written.
    """
    predictions: dict[str, Predictions] = {}
    for name in setup.names:
        task = setup.task(name)
        if isinstance(task, GlueTask):
            predictions |= task.predict_tests(best_trial.make_predict(setup, name))
    path = glue_submission.write(_path(setup), predictions)
    say(f"Submission: {path}")
    return bool(missing(setup)) or check(path, setup.settings.glue_dir)


def tell_before(setup: Setup) -> None:
    """Says before the training which files the submission is going to lack, and what is in its way.

    Raises:
        UserError: a file that is there cannot be read.
    """
    path = _path(setup)
    with file_errors.reading(path):
        if submission_file.is_kept(path):
            say(
                f"note: {path} is not as this program wrote it, and stays. The submission gets "
                "another name, unless it is the same."
            )
    lacking = missing(setup)
    if lacking:
        say(
            f"note: {FILE} is going to lack {', '.join(lacking)}, as --task does not name all "
            "tasks; GLUE takes whole submissions only"
        )


def _path(setup: Setup) -> str:
    return os.path.join(setup.settings.output_dir, FILE)


def missing(setup: Setup) -> list[str]:
    """Returns the files of a submission that are of tasks which are not asked for."""
    files = glue_submission.files().items()
    return [name for name, (task, _) in files if task.predicted_by not in setup.names]


def check(path: str, glue_dir: str) -> bool:
    """Says all that is wrong with a submission; returns whether nothing is.

    Args:
        path: of the zip file.
        glue_dir: see `glue_submission_check.validate`.

    Raises:
        UserError: the file cannot be read, or the folder is not there.
    """
    if glue_dir:
        glue_data.check_folder(glue_dir)
    faults = glue_submission_check.validate(path, glue_dir)
    for fault in faults:
        say(f"{path}: {fault}")
    if not faults:
        say(f"{path} is as GLUE takes it.")
    return not faults
