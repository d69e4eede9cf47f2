"""The best trial of a task as a SavedModel for TensorFlow Serving.

In `OUTPUT/TASK/export/` lie `NAME/1/`, where NAME is the task's name as URLs take it, and
`export_manifest.json`.
"""

import os
import re
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.export import manifest, saved_models
from mslt_tf.export.text_inputs import TextPacker
from mslt_tf.files import published_folder
from mslt_tf.finetuning import best_trial
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.served import classifier
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.task import FineTuningTask
from mslt_tf.modeling import weights
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.terminal import say

FOLDER = "export"  # in the task's


def folder_of(output_dir: str, task: str) -> str:
    """Returns where the export of a task lies."""
    return os.path.join(output_dir, task, FOLDER)


def model_name(task: str) -> str:
    """Returns a task's name as TensorFlow Serving has it in URLs.

    >>> model_name("squad_1.1")
    'squad_1_1'
    """
    return re.sub(r"\W", "_", task)


def check_places(setup: Setup) -> None:
    """Checks before the training that nothing is in the way of the exports after it.

    Raises:
        UserError: something else lies where one goes.
    """
    for name in setup.names:
        path = folder_of(setup.settings.output_dir, name)
        published_folder.check_place(path, saved_models.KIND, saved_models.owns)


def write(setup: Setup) -> None:
    """Writes the best trial of each task; an export of ours that is there is replaced.

    Raises:
        UserError: a checkpoint is gone, damaged or of another model, or a folder cannot be
            written to.
    """
    for name in setup.names:
        _export(setup, name)


def _export(setup: Setup, name: str) -> None:
    began = time.monotonic()
    result = best_trial.find(setup, name)
    model = best_trial.restore(setup, name).model
    weights.check_usable(model)
    task, encoder = setup.task(name), setup.encoder
    facts = {
        "trial": result.trial.name,
        "task": name,
        "learning_rate": result.learning_rate,
        "seed": result.seed,
        "scores": result.scores,
        **task.identity(),
    }
    path = folder_of(setup.settings.output_dir, name)
    published_folder.publish(
        path,
        saved_models.KIND,
        lambda folder: _write(model, task, encoder, facts, folder),
        owns=saved_models.owns,
        facts={"trial": result.trial.name},
        advice="Mend that and give the same command again: what is trained is kept.",
    )
    say(f"{name}: {result.trial.name} exported in {time.monotonic() - began:,.1f} s: {path}")


def _write(
    model: tf.keras.Model,
    task: FineTuningTask,
    encoder: TrainedModel,
    facts: Mapping[str, Any],
    folder: str,
) -> None:
    signatures, task_facts = _served(model, task, encoder)
    part = tf.train.Checkpoint(variables=list(model.variables))
    saved_models.write_parts(
        {f"{model_name(task.name)}/1": (part, signatures)},
        folder,
        {**manifest.model_facts(encoder), **facts, **task_facts},
        report=lambda line: None,
    )


def _served(
    model: tf.keras.Model, task: FineTuningTask, encoder: TrainedModel
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Returns the signatures, and what the manifest says of the task alone."""
    assert encoder.vocabulary
    assert isinstance(task, GlueTask)
    packer = TextPacker(encoder.vocabulary, encoder.text_case, max_length=task.tokenizer.max_length)
    labels = task.task.label_names or task.task.labels
    return classifier.signatures(model, task.task, packer), {"labels": labels}
