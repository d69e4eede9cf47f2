"""The best trial of a task, whose model is the one that is kept: for submissions and exports."""

import os

from mslt_tf.errors import UserError
from mslt_tf.finetuning import prediction, results, trial, trial_parts
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.task import Predict
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.finetuning.trial_parts import TrialParts
from mslt_tf.terminal import say
from mslt_tf.training.run_log import ProgressLine


def find(setup: Setup, name: str) -> TrialResult:
    """Returns how the best trial of a task ended.

    Raises:
        UserError: a result cannot be read.
    """
    return results.best(results.read_task(setup.settings.output_dir, name))


def restore(setup: Setup, result: TrialResult) -> TrialParts:
    """Returns the variables of the trial with this result of `find`, trained.

    Raises:
        UserError: its checkpoint is gone or damaged, or it is of other settings than the grid.
    """
    folder = result.trial.folder(setup.settings.output_dir)
    trial.check(folder, setup.identity(result.trial))
    newest = trial_parts.newest_checkpoint(folder, report=say)
    if newest is None or newest.step != result.num_steps:
        raise UserError(
            f"{os.path.join(folder, trial.CHECKPOINTS)} lacks the trained model of the best trial "
            f"of {result.task}. Put it back, or move the trial's folder away and start again, "
            "which trains it anew."
        )
    parts = TrialParts.build(
        setup.encoder, setup.task(result.task).objective, setup.settings.training, seed=result.seed
    )
    parts.restore(newest, num_steps=result.num_steps)
    return parts


def make_predict(setup: Setup, name: str) -> Predict:
    """Returns what computes the outputs of a task's best trial, with progress on the terminal.

    Raises:
        UserError: see `restore`.
    """
    terminal = ProgressLine()
    return prediction.make_predict(
        restore(setup, find(setup, name)).model,
        setup.task(name).objective,
        batch_size=setup.settings.eval_batch_size,
        progress=lambda done, total: terminal.progress(f"{name}  {done:,} of {total:,} predicted"),
    )
