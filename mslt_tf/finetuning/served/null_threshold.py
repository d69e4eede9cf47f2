"""From which score on a served model of SQuAD 2.0 gives no answer."""

import os
from collections.abc import Collection, Mapping

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.finetuning.squad.squad_answers import NULL_ODDS_FILE
from mslt_tf.json_values import JsonValueError


def read(folder: str, *, tuned: float) -> float:
    """Returns a threshold that parts the dev questions of a trial as the tuned one does.

    Args:
        folder: of the trial.
        tuned: the threshold that gives the best F1 on dev.

    Raises:
        UserError: the trial's null_odds.json cannot be read.
    """
    path = os.path.join(folder, NULL_ODDS_FILE)
    with file_errors.reading(path), tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        odds = json_values.parse(Mapping[str, float], json_values.loads(content))
    except JsonValueError as error:
        raise UserError(
            f"{path} is not as this program wrote it: {error}. Put it back, or move the trial's "
            "folder away and start again, which trains it anew."
        ) from error
    return halfway(odds.values(), tuned)


def halfway(odds: Collection[float], tuned: float) -> float:
    """Returns the middle between the odds on both sides of the tuned threshold.

    That is one of the odds itself. A server rounds a little differently, for its batches are
    others, and must not part the questions elsewhere.

    >>> halfway([-3.0, 1.0, 2.0], 1.0)
    1.5
    """
    highest_answered = max((each for each in odds if each <= tuned), default=tuned - 1)
    lowest_refused = min((each for each in odds if each > tuned), default=tuned + 1)
    return (highest_answered + lowest_refused) / 2
