"""One trial of a grid: a learning rate and a seed, its folder, its result.

In `OUTPUT/TASK/TRIAL/` lie `trial.json`, which says what the trial is, `metrics.jsonl` and
TensorBoard events, checkpoints while it trains, predictions, and, last of all, `result.json`.
"""

import dataclasses
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, own_file, removal
from mslt_tf.finetuning.task import Scores
from mslt_tf.json_values import JsonValueError
from mslt_tf.training import checkpoint_folder

TRIAL_FILE = "trial.json"
RESULT_FILE = "result.json"
CHECKPOINTS = "checkpoints"
# Of an identity: what the trials of a task differ in, and what all trials of a folder share.
OWN, SHARED = ("learning_rate", "seed"), ("encoder", "from_scratch")
_UNSCORED = ("n_best",)  # what changes no score, only how long a list beside it is
FURTHER = "further_data"  # hashes of the splits that are only scored; they may come and go
# Those that are hashes, with what a message says where they differ.
HASHES = {
    "encoder": "another encoder, or another vocabulary or case,",
    "data": "other texts or labels",
    FURTHER: "other texts or labels to be scored",
}
_NAME = re.compile(r"lr_[0-9.e-]+_seed_\d+")
_ANEW = "Give another --output_dir, or move this folder away."


@dataclasses.dataclass(frozen=True, order=True)
class Trial:
    """What one fine-tuning differs in from the others of its task."""

    task: str
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Its folder's name within that of its task.

        >>> Trial("mrpc", 3e-5, 0).name
        'lr_3e-05_seed_0'
        """
        return f"lr_{self.learning_rate}_seed_{self.seed}"

    def folder(self, output_dir: str) -> str:
        """Returns where all that is its own lies."""
        return os.path.join(output_dir, self.task, self.name)


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    task: str
    learning_rate: float
    seed: int
    scores: Mapping[str, Scores]  # by split, then by metric
    selection_score: float  # the higher, the better
    num_steps: int
    num_examples: int  # sequences of an epoch
    padding_share: float  # of the tokens of training
    seconds: float  # of training and scoring, interruptions left out
    examples_per_second: float  # of training, compilation left out

    @property
    def trial(self) -> Trial:
        """The trial."""
        return Trial(self.task, self.learning_rate, self.seed)


def folders(output_dir: str, task: str) -> list[str]:
    """Returns the folders of all trials of a task that were begun, by name."""
    folder = os.path.join(output_dir, task)
    if not tf.io.gfile.isdir(folder):
        return []
    names = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    named = [os.path.join(folder, name) for name in names if _NAME.fullmatch(name)]
    return [each for each in named if tf.io.gfile.exists(os.path.join(each, TRIAL_FILE))]


def claim(folder: str, identity: Mapping[str, Any]) -> None:
    """Makes a trial's folder, or checks that the one that is there is of the same trial.

    One in which nothing was trained yet is taken for this trial.

    Args:
        folder: of the trial.
        identity: JSON values that decide its result.

    Raises:
        UserError: it is of a trial with other settings, or somebody else's; or it cannot be
            written to.
    """
    with file_errors.naming(f"{folder} cannot be written to", _ANEW):
        if not _is_taken(folder):
            tf.io.gfile.makedirs(folder)
            write_json(os.path.join(folder, TRIAL_FILE), identity)
            return
    check(folder, identity)
    splits = _further(read_identity(folder)) if _has_trained(folder) else {}
    now = {**identity, FURTHER: {**splits, **_further(identity)}}
    with file_errors.naming(f"{folder} cannot be written to", _ANEW):
        write_json(os.path.join(folder, TRIAL_FILE), now)


def check(
    folder: str,
    identity: Mapping[str, Any],
    *,
    names: Collection[str] | None = None,
    encoder_advice: str = "",
) -> None:
    """Checks that a folder is not taken, or of a trial of this identity or without any training.

    Args:
        folder: of a trial.
        identity: see `claim`.
        names: of the values that are compared; None for all.
        encoder_advice: a sentence on where the encoder is that a trial with another began from.

    Raises:
        UserError: see `claim`.
    """
    if not _is_taken(folder):
        return
    found = _read_json(os.path.join(folder, TRIAL_FILE), Mapping[str, Any])
    if found is None:
        raise UserError(f"{folder} is there, but holds no trial of this program's. {_ANEW}")
    if not _has_trained(folder):
        return
    own = json.loads(json.dumps(identity))
    compared = {*found, *own} if names is None else names
    changed = sorted(name for name in compared if _differ(name, found, own))
    if changed:
        name = changed[0]
        there, now = _shown(found.get(name)), _shown(own.get(name))
        values = "" if name in HASHES else f": {there} there, {now} now"
        what = HASHES.get(name, f"another {name}")
        advice = f"{encoder_advice} {_ANEW}" if name == "encoder" and encoder_advice else _ANEW
        raise UserError(f"{folder} holds a trial with {what} than now{values}. {advice}")


def _differ(name: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    if name == FURTHER:
        before, after = _further(there), _further(now)
        return any(before[split] != after[split] for split in before.keys() & after.keys())
    return name not in _UNSCORED and there.get(name) != now.get(name)


def _further(identity: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the hashes of the splits that are only scored; none of a trial that lacks them."""
    found = identity.get(FURTHER)
    return found if isinstance(found, Mapping) else {}


def read_identity(folder: str) -> Mapping[str, Any]:
    """Returns what decides the result of a trial that was begun.

    Raises:
        UserError: its file cannot be read.
    """
    return _read_json(os.path.join(folder, TRIAL_FILE), Mapping[str, Any]) or {}


def read_result(folder: str) -> TrialResult | None:
    """Returns how a trial ended, None where it has not.

    Raises:
        UserError: its file cannot be read.
    """
    return _read_json(os.path.join(folder, RESULT_FILE), TrialResult)


def write_result(folder: str, result: TrialResult) -> None:
    """Writes how a trial ended: from here on it is done.

    Raises:
        UserError: it cannot be written.
    """
    with file_errors.writing(os.path.join(folder, RESULT_FILE)):
        write_json(os.path.join(folder, RESULT_FILE), dataclasses.asdict(result))


def write_json(path: str, content: Any) -> None:
    """Writes a file of this program's own, whole or not at all.

    Raises:
        tensorflow.errors.OpError, OSError: it cannot be written.
    """
    own_file.write(path, json.dumps(content, indent=1) + "\n")


def _read_json(path: str, declared: Callable[..., Any]) -> Any:
    if not tf.io.gfile.exists(path):
        return None
    with file_errors.reading(path), tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        return json_values.parse(declared, json_values.loads(content))
    except JsonValueError as error:
        raise UserError(f"{path} is not as this program wrote it: {error}. {_ANEW}") from error


def _is_taken(folder: str) -> bool:
    """Returns whether something is there that a kill during `claim` did not leave."""
    if not tf.io.gfile.isdir(folder):
        return bool(tf.io.gfile.exists(folder))
    names = {name.rstrip("/") for name in tf.io.gfile.listdir(folder)}
    return bool(names - {removal.partial_path(TRIAL_FILE)})


def _has_trained(folder: str) -> bool:
    """Returns whether a trial of ours got as far as its first checkpoint."""
    has_result = tf.io.gfile.exists(os.path.join(folder, RESULT_FILE))
    return bool(has_result or checkpoint_folder.steps(os.path.join(folder, CHECKPOINTS)))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
