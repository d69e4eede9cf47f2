"""Our own runs: a run's folder, or one checkpoint of it, as a trained model."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.conversion import small_files
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, pattern_names, vocabulary_file
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert, trained_model
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.modeling.weights import Weights
from mslt_tf.records import record_sets
from mslt_tf.text_case import TextCase
from mslt_tf.training import (
    checkpoint_files,
    checkpoint_folder,
    checkpointing,
    json_lines,
    metrics_log,
)
from mslt_tf.training.checkpointing import Checkpoint

CHECKPOINTS = "checkpoints"  # in the folder of a run
CONFIG_FILE = "config.json"  # in the folder of a run: all its settings
FORMS = "the folder of a run, RUN@STEP for one of its checkpoints, or RUN/checkpoints/step-N"
VOCAB_ADVICE = "Give the vocabulary that the model was trained with by --vocab_file."

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What the model needs to know of a run's settings."""

    vocab_file: str = ""
    do_lower_case: bool = True
    strip_accents: bool | None = None


def is_checkpoint(path: str) -> bool:
    """Returns whether a checkpoint of ours lies at `path`."""
    return bool(tf.io.gfile.exists(os.path.join(path, checkpoint_files.STATE_FILE)))


def is_run(path: str) -> bool:
    """Returns whether `path`, without @STEP, is the folder of a run with a checkpoint."""
    return bool(checkpoint_folder.steps(os.path.join(_split_step(path)[0], CHECKPOINTS)))


def is_own(path: str) -> bool:
    """Returns whether one of `FORMS` lies at `path`."""
    return is_checkpoint(path) or is_run(path)


def find(path: str, *, report: Callable[[str], None]) -> Checkpoint:
    """Returns the checkpoint that a path means; its files have been checked.

    Args:
        path: one of `FORMS`; of a run's folder, the newest checkpoint is taken.
        report: takes a line about damaged ones that are passed over.

    Raises:
        UserError: there is none, or not that one; those that are there are named.
    """
    pattern_names.check(path, what="the checkpoint")
    with file_errors.naming(f"{path} cannot be read", f"Give {FORMS}."):
        if is_checkpoint(path):
            return _of_a_run(checkpointing.read(path))
        run, step = _split_step(path)
        folder = os.path.join(run, CHECKPOINTS)
        steps = checkpoint_folder.steps(folder)
        if not steps:
            raise UserError(f"{describe_no_run(path)}. Give {FORMS}.")
        if step is not None and step not in steps:
            there = ", ".join(map(str, steps))
            raise UserError(f"{run} has no checkpoint of step {step}, but of {there}. Give one.")
        if step is not None:
            return _of_a_run(checkpointing.read(checkpoint_folder.path_of(folder, step)))
        return _of_a_run(_newest(folder, report))


def _of_a_run(checkpoint: Checkpoint) -> Checkpoint:
    if "stages" not in checkpoint.identity:
        raise UserError(
            f"{checkpoint.path} is of a fine-tuning: its model ends in the head of a task. Give "
            f"the encoder that it began from, which the fine-tuning's results.md names, or {FORMS}."
        )
    return checkpoint


def at_step(path: str, step: int) -> str:
    """Returns what means the same checkpoint for good: RUN@STEP for a run's folder, else `path`.

    Args:
        path: one of `FORMS`, or something else, which is taken as it is.
        step: of the checkpoint that was found there.
    """
    means_newest = not is_checkpoint(path) and is_run(path) and _split_step(path)[1] is None
    return f"{path.rstrip('/')}@{step}" if means_newest else path


def describe_no_run(path: str) -> str:
    """Returns what lies at a path, with or without @STEP, that is none of `FORMS`."""
    run, _ = _split_step(path)
    is_there = tf.io.gfile.exists(run)
    return f"{run} {'is no run, or holds no checkpoint' if is_there else 'is not there'}"


def _newest(folder: str, report: Callable[[str], None]) -> Checkpoint:
    """Returns the newest checkpoint, also of a run that replaces it meanwhile."""
    steps: list[int] = []
    found, unreadable = None, None
    while found is None and steps != (steps := checkpoint_folder.steps(folder)):
        try:
            found = checkpointing.newest(folder, report=report)
        except file_errors.FileError as error:  # it is gone, or cannot be read for now
            unreadable = error
        except UserError:  # those passed over are reported
            unreadable = None
    if found is None and unreadable:
        raise unreadable
    if found is None:
        raise UserError(f"no checkpoint in {folder} can be used. Restore one from elsewhere.")
    return found


def read(
    path: str,
    *,
    vocab_file: str = "",
    text_case: TextCase | None = None,
    report: Callable[[str], None],
) -> TrainedModel:
    """Returns the model of a checkpoint, whatever the stage.

    Args:
        path: see `find`.
        vocab_file: "" for the one that the run was given.
        text_case: None for the run's own.
        report: takes lines about what is passed over.

    Raises:
        UserError: as `find`; or the run's settings or its vocabulary cannot be read, or the
            vocabulary is of another size.
    """
    checkpoint = find(path, report=report)
    weights = weights_of(checkpoint)
    config = config_of(checkpoint, weights)
    settings = _settings_of(checkpoint.path)
    if settings is None and text_case is None:
        raise UserError(
            f"{checkpoint.path} does not lie in the folder of its run, whose {CONFIG_FILE} says "
            "what was done to letters. Tell it by --do_lower_case or --nodo_lower_case."
        )
    settings = settings or _Settings()
    return TrainedModel(
        config=config,
        weights=weights,
        text_case=text_case or TextCase.of(settings.do_lower_case, settings.strip_accents),
        vocabulary=_vocabulary(checkpoint, vocab_file, settings, config, report),
        step=checkpoint.step,
        stage=_stage_of(checkpoint),
        identity=checkpoint.identity,
        evaluation=_evaluation_of(checkpoint, report),
    )


def weights_of(checkpoint: Checkpoint) -> dict[str, dict[str, np.ndarray]]:
    """Returns the weights of a checkpoint, by layer and name.

    Raises:
        UserError: they cannot be read; a run that goes on may have replaced the checkpoint.
    """
    advice = "If the run goes on, it may have replaced it: do the same again."
    with file_errors.naming(f"{checkpoint.path} cannot be read", advice):
        return checkpointing.read_weights(checkpoint)


def vocabulary_sha256(checkpoint: Checkpoint) -> str:
    """Returns what identifies the vocabulary of a checkpoint's records; "" if it is not known."""
    found = checkpoint.settings.get(record_sets.VOCABULARY, "")
    return found if isinstance(found, str) else ""


def config_of(checkpoint: Checkpoint, weights: Weights) -> ModelConfig:
    """Returns the configuration of a checkpoint's model, at the depth of its stage.

    Raises:
        UserError: the checkpoint says something else of its model than sizes.
    """
    try:
        whole = json_values.parse(ModelConfig, checkpoint.identity.get("model"))
    except json_values.JsonValueError as error:
        raise UserError(f"{checkpoint.path} does not describe its model: {error}.") from error
    num_blocks = sum(name not in (bert.EMBEDDINGS, *bert.HEADS) for name in weights)
    return dataclasses.replace(
        whole,
        num_hidden_layers=num_blocks * whole.layers_per_block,
        num_hidden_groups=num_blocks if whole.num_hidden_groups else 0,
    )


def _split_step(path: str) -> tuple[str, int | None]:
    """Returns the folder and the step of RUN@STEP; a folder of such a name is taken as it is."""
    run, at, step = path.rpartition("@")
    is_step = bool(at) and step.isascii() and step.isdecimal()
    return (run, int(step)) if is_step and not tf.io.gfile.isdir(path) else (path, None)


def _run_of(checkpoint: str) -> str:
    """Returns the folder that would be the run's, if the checkpoint lies where runs have theirs."""
    path = checkpoint.rstrip("/") if "://" in checkpoint else os.path.abspath(checkpoint)
    return os.path.dirname(os.path.dirname(path))


def _evaluation_of(checkpoint: Checkpoint, report: Callable[[str], None]) -> Mapping[str, Any]:
    path = os.path.join(_run_of(checkpoint.path), metrics_log.METRICS_FILE)
    entries = [line.entry for line in json_lines.read(path, metrics_log.is_entry, report=report)]
    found = [
        e for e in entries if e["kind"] == metrics_log.EVALUATION and e["step"] <= checkpoint.step
    ]
    return found[-1] if found else {}


def read_settings(declared: type[T], run: str, *, advice: str) -> T | None:
    """Returns what the folder of a run says of its settings; None where it is no run's folder.

    Args:
        declared: a dataclass; its fields are the settings that are wanted, see `config.py`.
        run: the folder.
        advice: what to do where the file is damaged.

    Raises:
        UserError: config.json is not as a run writes it.
        tensorflow.errors.OpError: it cannot be read.
    """
    path = os.path.join(run, CONFIG_FILE)
    if not tf.io.gfile.exists(path):
        return None
    names = {field.name for field in dataclasses.fields(declared)}  # type: ignore[arg-type]
    try:
        found = json_values.parse(Mapping[str, Any], json_values.loads(small_files.read(path)))
        return json_values.parse(declared, {k: v for k, v in found.items() if k in names})
    except (json_values.JsonValueError, UserError) as error:
        reason = str(error).rstrip(".")
        raise UserError(f"{path} is not as a run writes it: {reason}. {advice}") from error


def _settings_of(checkpoint: str) -> _Settings | None:
    """Returns what the run of a checkpoint says of itself; None where it does not lie in one."""
    advice = (
        "Start the run again, which writes it anew, or move the checkpoint elsewhere and give "
        "--vocab_file and --do_lower_case."
    )
    return read_settings(_Settings, _run_of(checkpoint), advice=advice)


def _vocabulary(
    checkpoint: Checkpoint,
    vocab_file: str,
    settings: _Settings,
    config: ModelConfig,
    report: Callable[[str], None],
) -> tuple[str, ...] | None:
    """Returns the tokens of a file, or of the one that the run was given; None without any."""
    path = vocab_file or settings.vocab_file
    if not path:
        return None
    flag = "--vocab_file" if vocab_file else "the run's --vocab_file"
    tokens = vocabulary_file.read(
        path, vocab_size=config.vocab_size, flag=flag, advice=VOCAB_ADVICE
    )
    known = vocabulary_sha256(checkpoint)
    if not known:
        report(f"note: the checkpoint does not tell its vocabulary; {path} is taken for it")
    elif known != hash_vocabulary(tokens):
        raise UserError(
            f"{flag} {path} is not the vocabulary that the model was trained with (its hash "
            f"differs). {VOCAB_ADVICE}"
        )
    return tuple(tokens)


def _stage_of(checkpoint: Checkpoint) -> str:
    """Returns the name of the stage that made the checkpoint's last update."""
    stages = checkpoint.identity["stages"]
    begun = trained_model.stages_begun(stages, checkpoint.step)
    return str([stages[0], *begun][-1]["name"])  # the first before its first step
