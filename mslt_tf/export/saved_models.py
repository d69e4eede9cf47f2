"""An export for TensorFlow: the encoder, the preprocessor, and a model to be served.

In its folder lie

* `encoder/`, for TF Hub: ids in, vectors out; it can be fine-tuned
* `preprocessor/`, for TF Hub: text in, ids out
* `bert/1/`, for TensorFlow Serving, by signatures; "bert" is the model's name there
* `export_manifest.json`, which says all this to programs
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mslt_tf.export import allowed_ops, encoder, manifest, preprocessor, signatures
from mslt_tf.export_layout import CONFIG_FILE, ENCODER, PREPROCESSOR, SAVED_MODEL_FILE
from mslt_tf.files import removal
from mslt_tf.modeling.trained_model import TrainedModel

KIND = "export"  # as the folder's mark calls it
MODEL_NAME = "bert"

# What is saved, with its signatures, by the folder within the export.
Parts = dict[str, tuple[tf.train.Checkpoint, Mapping[str, Any]]]

# A SavedModel's files; the folders are listed where they are empty.
_SAVED_MODEL = (
    r"(saved_model|fingerprint|keras_metadata)\.pb(\.tmp.*)?|variables/.*|assets/[^/]*|"
    r"assets\.extra/(bert_config\.json)?"
)
_OLD_FILES = re.compile(_SAVED_MODEL)  # the encoder alone lay in the export's folder itself
_FILES = re.compile(
    rf"{_SAVED_MODEL}|[A-Za-z0-9][\w-]*/(1/)?({_SAVED_MODEL})?|{re.escape(manifest.FILE)}"
)


def owns(path: str) -> bool:
    """Returns whether an export may have a file of this relative path; see `removal.Owns`."""
    return path == removal.MARK_FILE or _FILES.fullmatch(path) is not None


def exists(path: str) -> bool:
    """Returns whether a finished export lies at `path`, also of a version before this one."""
    names = (manifest.FILE, SAVED_MODEL_FILE)
    return any(tf.io.gfile.exists(os.path.join(path, name)) for name in names)


def facts_of(path: str) -> Mapping[str, Any] | None:
    """Returns the facts of its mark; None where no export of ours lies."""
    mark = removal.read_mark(path, KIND)
    return mark.facts if mark and exists(path) else None


def is_unmarked(path: str) -> bool:
    """Returns whether an export lies at `path` of a version that wrote no marks."""
    has_config = tf.io.gfile.exists(os.path.join(path, CONFIG_FILE))
    if not has_config or not exists(path) or removal.read_mark(path, KIND):
        return False
    return not removal.foreign_files(path, lambda name: bool(_OLD_FILES.fullmatch(name)))


def adopt(path: str, facts: Mapping[str, Any]) -> None:
    """Marks an export that `is_unmarked`.

    Raises:
        tensorflow.errors.OpError: the mark cannot be written.
    """
    removal.mark(path, KIND, facts=facts)


def write(
    trained: TrainedModel,
    folder: str,
    *,
    model_name: str = MODEL_NAME,
    report: Callable[[str], None],
) -> None:
    """Writes an export; the caller puts it in place when it is whole.

    Args:
        trained: the model, of any stage.
        folder: where to write; not there yet.
        model_name: in TensorFlow Serving.
        report: takes lines of progress, and what is left out for want of a vocabulary.

    Raises:
        UserError: a weight is no number or far too large.
        ValueError: a graph has an operation that TensorFlow Serving lacks.
        tensorflow.errors.OpError: the folder cannot be written to.
    """
    served = f"{model_name}/1"
    if trained.vocabulary is None:
        report(f"no vocabulary is known: no {PREPROCESSOR}, and {served} takes ids only")
    with tempfile.TemporaryDirectory() as scratch:
        vocab_file = _write_vocabulary(trained.vocabulary, scratch)
        parts = _parts(trained, served=served, vocab_file=vocab_file)
        facts = manifest.model_facts(trained) | manifest.pretraining_facts(trained)
        write_parts(parts, folder, facts, report=report)
    _write_json(os.path.join(folder, ENCODER, CONFIG_FILE), trained.config.to_bert_config())


def write_parts(
    parts: Parts, folder: str, facts: Mapping[str, Any], *, report: Callable[[str], None]
) -> None:
    """Writes SavedModels, and the manifest when servers have all their operations.

    Args:
        parts: what is saved.
        folder: where to.
        facts: JSON values for the manifest.
        report: takes lines of progress.

    Raises:
        ValueError, tensorflow.errors.OpError: see `write`.
    """
    for name, (part, part_signatures) in parts.items():
        report(f"writing {name}")
        tf.saved_model.save(part, os.path.join(folder, name), part_signatures)
    graphs = {name: _read_graph(os.path.join(folder, name)) for name in parts}
    for name, graph in graphs.items():
        allowed_ops.check(graph, what=name)
    _write_json(os.path.join(folder, manifest.FILE), manifest.describe(graphs, facts))


def _parts(trained: TrainedModel, *, served: str, vocab_file: str) -> Parts:
    made = encoder.make(trained, vocab_file)
    served_object = tf.train.Checkpoint(variables=list(made.mlm.variables))
    parts: Parts = {ENCODER: (made, {}), served: (served_object, signatures.make(made, trained))}
    if trained.vocabulary:
        made_preprocessor = preprocessor.make(
            trained.vocabulary,
            trained.text_case,
            max_length=trained.config.max_position_embeddings,
            vocab_file=vocab_file,
        )
        parts[PREPROCESSOR] = (made_preprocessor, {})
    return parts


def _write_vocabulary(vocabulary: Sequence[str] | None, folder: str) -> str:
    """Writes the tokens, so that the user's own file is not needed; "" without."""
    if vocabulary is None:
        return ""
    path = os.path.join(folder, "vocab.txt")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{token}\n" for token in vocabulary)
    return path


def _write_json(path: str, content: Mapping[str, Any]) -> None:
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")


def _read_graph(folder: str) -> saved_model_pb2.SavedModel:
    with tf.io.gfile.GFile(os.path.join(folder, SAVED_MODEL_FILE), "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read())
