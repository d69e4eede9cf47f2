"""The best trial of a task as a SavedModel for TensorFlow Serving.

In `OUTPUT/TASK/export/` lie `NAME/1/`, where NAME is the task's name as URLs take it, and
`export_manifest.json`.
"""

import dataclasses
import os
import re
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mslt_tf.export import manifest, saved_models
from mslt_tf.export.saved_models import Parts
from mslt_tf.export.text_inputs import TextPacker
from mslt_tf.files import published_folder
from mslt_tf.finetuning import best_trial, short_memory
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.served import classifier, null_threshold, question_answering
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.squad.squad_splits import DEV
from mslt_tf.finetuning.squad.squad_task import SquadTask
from mslt_tf.finetuning.trial import TrialResult
from mslt_tf.modeling import weights
from mslt_tf.terminal import say

FOLDER = "export"  # in the task's
_LESS_MEMORY = (
    "Give the same command again when no other program uses the GPU, or export without one: set "
    "CUDA_VISIBLE_DEVICES=-1 before it."
)

_Named = Mapping[str, Any]


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
        UserError: a checkpoint is gone, damaged or of another model, memory is short, or a folder
            cannot be written to.
    """
    for name in setup.names:
        with short_memory.naming(_LESS_MEMORY):
            _export(setup, name)


def _export(setup: Setup, name: str) -> None:
    began = time.monotonic()
    result = best_trial.find(setup, name)
    model = best_trial.restore(setup, result).model
    weights.check_usable(model)
    signatures, task_facts = _served(setup, result, model)
    saved = tf.train.Checkpoint(variables=model.variables)
    parts: Parts = {f"{model_name(name)}/1": (saved, signatures)}
    facts = {
        **manifest.model_facts(setup.encoder),
        **dataclasses.asdict(result.trial),
        "scores": result.scores,
        **setup.task(name).identity(),
        **task_facts,
    }
    path = folder_of(setup.settings.output_dir, name)
    published_folder.publish(
        path,
        saved_models.KIND,
        lambda folder: saved_models.write_parts(parts, folder, facts, report=lambda line: None),
        owns=saved_models.owns,
        facts={"trial": result.trial.name},
        advice="Mend that and give the same command again: what is trained is kept.",
    )
    say(f"{name}: {result.trial.name} exported in {time.monotonic() - began:,.1f} s: {path}")


def _served(setup: Setup, result: TrialResult, model: tf.keras.Model) -> tuple[_Named, _Named]:
    """Returns the signatures, and what the manifest says of the task alone."""
    task, encoder = setup.task(result.task), setup.encoder
    assert encoder.vocabulary
    if isinstance(task, SquadTask):
        threshold = None
        if task.splits.has_impossible:
            threshold = null_threshold.read(
                result.trial.folder(setup.settings.output_dir),
                tuned=result.scores[DEV]["null_threshold"],
            )
        signatures = question_answering.signatures(
            model, encoder.vocabulary, encoder.text_case, task.settings, null_threshold=threshold
        )
        return signatures, {"null_threshold": threshold}
    assert isinstance(task, GlueTask)
    packer = TextPacker(encoder.vocabulary, encoder.text_case, max_length=task.tokenizer.max_length)
    signatures = classifier.signatures(model, task.task, packer)
    return signatures, {"labels": classifier.words_of(task.task)}
