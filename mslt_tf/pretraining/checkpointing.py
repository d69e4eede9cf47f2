"""Checkpoints: one folder a step, complete or absent, self-describing.

A folder `checkpoints/step-00001234` holds TensorFlow's checkpoint files and `state.json`: the step,
what run it belongs to, and each file's size and checksum. It is written under a temporary name and
renamed when all is on disk, so a folder of this name is complete. The step decides everything else:
a checkpoint holds the model of the stage that made its last update.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mslt_tf import cost_model
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.pretraining import checkpoint_files, stage_model
from mslt_tf.stage_plan import Stage

_STEP, _TEMPORARY = "step-", "tmp-"  # how the folders are called
PREFIX = "variables"  # of TensorFlow's files in the folder
# How TensorFlow writes a variable's key, and a "/" within one of its parts.
_VALUE, _SLASH = "/.ATTRIBUTES/VARIABLE_VALUE", ".S"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk."""

    path: str
    step: int
    identity: Mapping[str, Any]  # of its run, to be compared before it is restored
    settings: Mapping[str, Any]  # the run's other settings, for the log


def trackable(
    model: tf.keras.Model, optimizer: tf.Module, global_step: tf.Variable
) -> tf.train.Checkpoint:
    """Returns what a checkpoint holds: weights by layer and name, slots, counters."""
    layers = {
        layer.name: stage_model.named_variables(layer) for layer in model.layers if layer.variables
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
) -> str:
    """Writes a checkpoint, removes the oldest above `num_kept`, and returns its path.

    Raises:
        tensorflow.errors.OpError: the folder cannot be written to, or the disk is full.
        OSError: the same, noticed only when the files had to reach the disk.
    """
    path = path_of(folder, step)
    temporary = os.path.join(folder, f"{_TEMPORARY}{step:08d}")
    for leftover in (*_folders(folder, _TEMPORARY), os.path.basename(path)):
        if tf.io.gfile.exists(os.path.join(folder, leftover)):
            tf.io.gfile.rmtree(os.path.join(folder, leftover))
    state.write(os.path.join(temporary, PREFIX))
    content = {"step": step, "identity": identity, "settings": settings}
    checkpoint_files.seal(temporary, content)
    tf.io.gfile.rename(temporary, path)
    checkpoint_files.flush([folder])  # its new name, before older ones go
    # A later one that was passed over as damaged does not count.
    older = [name for name in _folders(folder, _STEP) if name <= os.path.basename(path)]
    for name in older[:-num_kept]:
        tf.io.gfile.rmtree(os.path.join(folder, name))
    return path


def path_of(folder: str, step: int) -> str:
    """Returns where the checkpoint of a step lies."""
    return os.path.join(folder, f"{_STEP}{step:08d}")


def expected_bytes(model: ModelConfig, stage: Stage) -> int:
    """Returns the size of a checkpoint: four bytes a weight, and eight of slots if it trains."""
    all_train = dataclasses.replace(stage, num_frozen_blocks=0)
    num_weights = cost_model.trainable_parameters(model, all_train)
    return 4 * num_weights + 8 * cost_model.trainable_parameters(model, stage)


def newest(folder: str, *, report: Callable[[str], None]) -> Checkpoint | None:
    """Returns the newest undamaged checkpoint in `folder`, None where there is none at all.

    Reads it whole, to be sure. Reports those it passes over.

    Raises:
        UserError: all are damaged.
    """
    names = _folders(folder, _STEP)
    for name in reversed(names):
        path = os.path.join(folder, name)
        try:
            return read(path)
        except UserError as error:
            report(f"checkpoint passed over: {error}")
    if names:
        raise UserError(
            f"every checkpoint in {folder} is damaged. Restore one from elsewhere, or remove the "
            "run's folder to begin anew."
        )
    return None


def read(path: str) -> Checkpoint:
    """Checks the files of a checkpoint and returns what it says of itself.

    Raises:
        UserError: `path` is no checkpoint of ours, or names the file that is damaged or missing.
    """
    content = checkpoint_files.read_sealed(path)
    return Checkpoint(path, content["step"], content["identity"], content["settings"])


def restore(checkpoint: Checkpoint, state: tf.train.Checkpoint) -> None:
    """Sets every variable of `state`; a variable that is missing on either side is an error.

    Raises:
        UserError: the files are damaged.
    """
    try:
        state.read(os.path.join(checkpoint.path, PREFIX)).assert_consumed()
    except tf.errors.DataLossError as error:
        raise UserError(
            f"{checkpoint.path} is damaged ({error.message}). Remove this folder and start again: "
            "the run goes on from the checkpoint before it."
        ) from error


def read_weights(checkpoint: Checkpoint) -> dict[str, dict[str, np.ndarray]]:
    """Returns the weights alone, without slots and counters, by layer and name."""
    reader = tf.train.load_checkpoint(os.path.join(checkpoint.path, PREFIX))
    weights: dict[str, dict[str, np.ndarray]] = {}
    for key in reader.get_variable_to_shape_map():
        part, _, rest = key.removesuffix(_VALUE).partition("/")
        if part == "model" and ".OPTIMIZER_SLOT" not in rest:
            layer, _, name = rest.partition("/")
            weights.setdefault(layer, {})[name.replace(_SLASH, "/")] = reader.get_tensor(key)
    return weights


def check_same_run(
    checkpoint: Checkpoint, identity: Mapping[str, Any], *, lengthen: bool, output_dir: str
) -> None:
    """Checks that a checkpoint belongs to the run that wants to go on from it.

    Args:
        checkpoint: the checkpoint found.
        identity: the run's.
        lengthen: allows more steps in stages that the checkpoint has not left behind.
        output_dir: for the message.

    Raises:
        UserError: names each difference.
    """
    differences = differing_leaves(checkpoint.identity, json.loads(json.dumps(identity)))
    if lengthen:
        ended = _stages_ended(checkpoint)
        differences = {
            name: values
            for name, values in differences.items()
            if not _is_longer_stage(name, values, first_stage=ended)
        }
    if differences:
        listed = "; ".join(f"{k}: {old} there, {new} now" for k, (old, new) in differences.items())
        raise UserError(
            f"{output_dir} holds a checkpoint of another run ({listed}). Give another "
            "--output_dir, or the flags of that run. (To give it more steps, use --lengthen with "
            "--stage_steps, and change only stages that it has not left behind; a long stage has "
            "--long_seq_fraction of all steps.)"
        )


def _is_longer_stage(name: str, values: tuple[Any, Any], *, first_stage: int) -> bool:
    """Returns whether a difference is just more steps in stage `first_stage` or a later one."""
    part, _, rest = name.partition(".")
    index, _, field = rest.partition(".")
    longer = part == "stages" and field == "num_steps" and values[1] >= values[0]
    return longer and int(index) >= first_stage


def _stages_ended(checkpoint: Checkpoint) -> int:
    """Returns how many stages a checkpoint has left behind; the one it holds may still go on."""
    end, ended = 0, 0
    for stage in checkpoint.identity["stages"]:
        end += stage["num_steps"]
        ended += end < checkpoint.step
    return ended


def differing_leaves(old: Any, new: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Returns the leaves in which two JSON values differ, by dotted path."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted(old.keys() | new.keys())
        pairs = [(key, old.get(key), new.get(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(index), *values) for index, values in enumerate(zip(old, new, strict=True))]
    else:
        return {} if old == new else {name: (old, new)}
    found: dict[str, tuple[Any, Any]] = {}
    for key, old_part, new_part in pairs:
        found |= differing_leaves(old_part, new_part, f"{name}.{key}" if name else key)
    return found


def _folders(folder: str, prefix: str) -> list[str]:
    if not tf.io.gfile.exists(folder):
        return []
    names = [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]
    return sorted(name for name in names if name.startswith(prefix))
