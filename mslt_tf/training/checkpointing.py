"""Checkpoints: one folder a step, complete or absent, self-describing.

A folder `checkpoints/step-00001234` (see `checkpoint_folder`) holds TensorFlow's checkpoint files
and `state.json`: the step, what run it belongs to, and each file's size and checksum. It is written
under a temporary name and renamed when all is on disk, so a folder of this name is complete. The
step decides everything else: a checkpoint holds the model of the stage that made its last update.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, new_file
from mslt_tf.modeling import weights
from mslt_tf.training import checkpoint_files, checkpoint_folder

PREFIX = "variables"  # of TensorFlow's files in the folder
# How TensorFlow writes a variable's key, and a "/" within one of its parts.
_VALUE, _SLASH = "/.ATTRIBUTES/VARIABLE_VALUE", ".S"


@dataclasses.dataclass(frozen=True)
class State:
    """What a checkpoint says of itself, beside its files."""

    step: int
    identity: Mapping[str, Any]  # of its run, to be compared before it is restored
    settings: Mapping[str, Any]  # the run's other settings, for the log


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk; the other fields are those of its `State`."""

    path: str
    step: int
    identity: Mapping[str, Any]
    settings: Mapping[str, Any]


def trackable(
    model: tf.keras.Model, optimizer: tf.Module, global_step: tf.Variable
) -> tf.train.Checkpoint:
    """Returns what a checkpoint holds: weights by layer and name, slots, counters."""
    layers = {
        layer.name: weights.named_variables(layer) for layer in model.layers if layer.variables
    }
    return tf.train.Checkpoint(model=layers, optimizer=optimizer, global_step=global_step)


def save(
    folder: str,
    state: tf.train.Checkpoint,
    *,
    step: int,
    identity: Mapping[str, Any],
    settings: Mapping[str, Any],
    num_kept: int,
    kept_steps: Collection[int] = (),
    report: Callable[[str], None] = lambda line: None,
) -> str:
    """Writes a checkpoint, removes older ones as `checkpoint_folder` says, and returns its path.

    Args:
        folder: of the run's checkpoints.
        state: from `trackable`.
        step: the global step.
        identity: see `Checkpoint`.
        settings: see `Checkpoint`.
        num_kept: how many of the newest stay.
        kept_steps: steps whose checkpoints always stay.
        report: takes a line about what is in the way and kept.

    Raises:
        tensorflow.errors.OpError: the folder cannot be written to, or the disk is full.
        OSError: the same, noticed only when the files had to reach the disk.
    """
    path = checkpoint_folder.path_of(folder, step)
    temporary = checkpoint_folder.temporary_path_of(folder, step)
    checkpoint_folder.clear_unfinished(folder)
    try:
        state.write(os.path.join(temporary, PREFIX))
        checkpoint_files.seal(
            temporary, dataclasses.asdict(State(step, dict(identity), dict(settings)))
        )
    except (tf.errors.OpError, OSError):
        # What is left of it fills a disk that is full already.
        with contextlib.suppress(tf.errors.OpError, OSError):
            checkpoint_folder.clear_unfinished(folder)
        raise
    checkpoint_folder.make_way(folder, step, report=report)
    tf.io.gfile.rename(temporary, path)
    new_file.flush([folder])  # its new name, before older ones go
    checkpoint_folder.remove_old(
        folder, newest=step, num_kept=num_kept, kept_steps=kept_steps, report=report
    )
    return path


def newest(
    folder: str,
    *,
    report: Callable[[str], None],
    advice: str = "Restore one from elsewhere, or give another --output_dir to begin anew.",
) -> Checkpoint | None:
    """Returns the newest undamaged checkpoint in `folder`, None where there is none at all.

    Reads it whole, to be sure. Reports those it passes over. One that cannot be read for now, as
    for want of rights, is not passed over: the steps since the one before would be lost.

    Args:
        folder: of the checkpoints.
        report: takes a line about each that is passed over.
        advice: a sentence on what to do where all of them are.

    Raises:
        UserError: there are some, and none can be used.
        FileError: the newest may be whole, and cannot be read.
    """
    with file_errors.reading(folder):
        steps = checkpoint_folder.steps(folder)
    for step in reversed(steps):
        path = checkpoint_folder.path_of(folder, step)
        try:
            found = read(path)
        except UserError as error:
            _check_read(path, error)
            report(f"checkpoint passed over: {error}")
            continue
        if found.step == step:
            return found
        report(f"checkpoint passed over: {path} says that it is of step {found.step}")
    if steps:
        raise UserError(f"no checkpoint in {folder} can be used. {advice}")
    return None


def _check_read(path: str, error: UserError) -> None:
    """Raises a FileError where the checkpoint that `error` is about may well be whole."""
    cause = error.__cause__
    if isinstance(cause, Exception) and file_errors.may_pass(cause):
        raise file_errors.FileError(
            f"{path} cannot be read ({file_errors.reason(cause)}). It may be whole, so no older "
            "one is taken in its place. Make it readable, or move it away if it is lost, and "
            "start again."
        ) from error


def read(path: str, *, checks_files: bool = True) -> Checkpoint:
    """Checks the files of a checkpoint and returns what it says of itself.

    Args:
        path: its folder.
        checks_files: False for whoever needs none but `state.json`: the others may be large.

    Raises:
        UserError: `path` is no checkpoint of ours, or names the file that is damaged or missing.
    """
    content = checkpoint_files.read_sealed(path, checks_files=checks_files)
    try:
        state = json_values.parse(State, content)
    except json_values.JsonValueError as error:
        raise UserError(
            f"{path} is no checkpoint of this program's ({error}). Give a folder "
            "RUN/checkpoints/step-N."
        ) from error
    return Checkpoint(path, **vars(state))


def restore(checkpoint: Checkpoint, state: tf.train.Checkpoint) -> None:
    """Sets every variable of `state`; a variable that is missing on either side is an error.

    Raises:
        UserError: the files are damaged.
    """
    try:
        state.read(os.path.join(checkpoint.path, PREFIX)).assert_consumed()
    except tf.errors.DataLossError as error:
        raise UserError(
            f"{checkpoint.path} is damaged ({file_errors.reason(error)}). Move this folder away "
            "and start again: the run goes on from the checkpoint before it, if there is one."
        ) from error


def read_weights(checkpoint: Checkpoint) -> dict[str, dict[str, np.ndarray]]:
    """Returns the weights alone, without slots and counters, by layer and name."""
    reader = tf.train.load_checkpoint(os.path.join(checkpoint.path, PREFIX))
    found: dict[str, dict[str, np.ndarray]] = {}
    for key in reader.get_variable_to_shape_map():
        part, _, rest = key.removesuffix(_VALUE).partition("/")
        if part == "model" and ".OPTIMIZER_SLOT" not in rest:
            layer, _, name = rest.partition("/")
            found.setdefault(layer, {})[name.replace(_SLASH, "/")] = reader.get_tensor(key)
    return found
