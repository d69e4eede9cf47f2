"""Scores of splits that came to the data after a trial had ended, where its model is still there.

Such a split decides nothing about a trial: not its training, and not whether it is the best one.
"""

import dataclasses
import os
from collections.abc import Sequence

from mslt_tf.finetuning import best_trial, results, trial
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.terminal import say
from mslt_tf.training import checkpoint_folder


def score(setup: Setup, name: str) -> None:
    """Scores the best trial of a task on the splits that its result lacks; tells of other trials.

    Raises:
        UserError: the model is damaged, a result cannot be read or not be written, or memory is
            short.
    """
    found = results.read_task(setup.settings.output_dir, name)
    lacking = {each.trial: _lacking(setup, each) for each in found}
    best = results.best(found)
    if lacking[best.trial] and _has_model(setup, best):
        _score(setup, best, lacking.pop(best.trial))
    for split in sorted({split for splits in lacking.values() for split in splits}):
        num_lacking = sum(split in splits for splits in lacking.values())
        say(
            f"not scored: {name} {split} of {num_lacking} of {len(found)} finished trials, which "
            "ended before it was there and whose models are not kept. Move a trial's folder away "
            "and start again to train it anew with its scores."
        )


def _lacking(setup: Setup, result: TrialResult) -> list[str]:
    splits = setup.task(result.task).further_fingerprints
    return [split for split in splits if split not in result.scores]


def _has_model(setup: Setup, result: TrialResult) -> bool:
    folder = os.path.join(result.trial.folder(setup.settings.output_dir), trial.CHECKPOINTS)
    return bool(checkpoint_folder.steps(folder))


def _score(setup: Setup, best: TrialResult, splits: Sequence[str]) -> None:
    folder = best.trial.folder(setup.settings.output_dir)
    predict = best_trial.make_predict(setup, best.task)
    scores = setup.task(best.task).evaluate(predict, folder, splits=splits)
    trial.claim(folder, setup.identity(best.trial))  # it notes on which texts that was
    trial.write_result(folder, dataclasses.replace(best, scores={**best.scores, **scores}))
    say(f"{best.task} {best.trial.name}: scored on {', '.join(splits)} as well")
