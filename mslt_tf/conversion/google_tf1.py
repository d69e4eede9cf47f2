"""Checkpoints of google-research/bert and google-research/albert (TensorFlow 1), out and in.

A folder holds the configuration, `vocab.txt`, and the checkpoint, whose two or more files begin
with the same words, its prefix. What the configuration cannot say: see `google_tf1_config`.
"""

import os
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

import tensorflow as tf

from mslt_tf.conversion import google_tf1_config, names, renaming, small_files, tensor_bundles
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.conversion.tensor_bundles import INDEX
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, removal
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.trained_model import TrainedModel

VOCAB_FILE = "vocab.txt"
_BERT_CONFIG, _ALBERT_CONFIG = "bert_config.json", "albert_config.json"
CONFIG_FILES = (_BERT_CONFIG, _ALBERT_CONFIG)
_PREFIXES = {_BERT_CONFIG: "bert_model.ckpt", _ALBERT_CONFIG: "model.ckpt-best"}
_OWN_FILE = re.compile(
    # TensorFlow writes under a temporary name first.
    rf"({'|'.join(map(re.escape, _PREFIXES.values()))})"
    r"(\.index|\.data-00000-of-00001)(\.tempstate\d+)?"
)
_OPTIMIZER_STATE = re.compile(r".*/adam_[mv]|global_step")
_NOTE_ON_GELU = (
    "note: the model was trained with the erf form of GELU; Google's code has computed the tanh "
    "form since February 2019, so that its outputs differ a little"
)
_ADVICE = "Copy it again, or take another."


class _Files(NamedTuple):
    """Where the parts of a checkpoint are."""

    prefix: str  # of the names of its files
    config: str
    vocabulary: str  # perhaps not there


def owns(path: str) -> bool:
    """Returns whether `write` may have written a file, by its path relative to the folder."""
    own = (removal.MARK_FILE, VOCAB_FILE, *CONFIG_FILES)
    return path in own or _OWN_FILE.fullmatch(path) is not None


def write(
    model: TrainedModel, folder: str, *, report: Callable[[str], None] = lambda line: None
) -> None:
    """Writes a model as their code reads it.

    Args:
        model: of any stage.
        folder: may not be there yet.
        report: takes a line where their code of today computes the model a little otherwise.

    Raises:
        UserError: their code cannot compute such a model.
        tensorflow.errors.OpError: a file cannot be written.
    """
    config = google_tf1_config.to_json(model.config)
    if model.config.hidden_act == "gelu":
        report(_NOTE_ON_GELU)
    tensors = renaming.to_others(model.weights, model.config, "google_tf1")
    config_file = _ALBERT_CONFIG if names.is_albert(model.config) else _BERT_CONFIG
    tf.io.gfile.makedirs(folder)
    # Not tf.train.Checkpoint, whose names are those of Python objects.
    tf.raw_ops.SaveV2(
        prefix=os.path.join(folder, _PREFIXES[config_file]),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    _write_text(os.path.join(folder, config_file), config)
    if model.vocabulary is not None:
        lines = "".join(f"{token}\n" for token in model.vocabulary)
        _write_text(os.path.join(folder, VOCAB_FILE), lines)


def is_checkpoint(path: str) -> bool:
    """Returns whether `path` is a folder as described above, or the prefix of a checkpoint."""
    if not tf.io.gfile.isdir(path):
        return bool(tf.io.gfile.exists(path + INDEX))
    has_config = any(tf.io.gfile.exists(os.path.join(path, name)) for name in CONFIG_FILES)
    return has_config and bool(_prefixes(path))


def read(path: str) -> FoundModel:
    """Reads a checkpoint of theirs; state of their optimizers is passed over.

    Args:
        path: the folder, or the prefix: its configuration lies beside it, or in `../assets` as
            in the modules of TF Hub.

    Raises:
        UserError: there is none or more than one, a file is missing or damaged, or the
            configuration is of a model that is not ours or of other shapes.
    """
    with file_errors.naming(f"{path} cannot be read", _ADVICE):
        files = _find(path)
        config, tells_gelu = google_tf1_config.parse(
            small_files.read(files.config),
            path=files.config,
            is_albert=os.path.basename(files.config) == _ALBERT_CONFIG,
        )
        vocabulary = small_files.read_vocabulary(files.vocabulary)
        bundle = tensor_bundles.open_bundle(files.prefix)
        weights, missing = renaming.from_others(
            config,
            "google_tf1",
            found=bundle.shapes,
            read=lambda name: tensor_bundles.read(bundle, name),
            path=files.prefix,
        )
    return FoundModel(
        path=path,
        config=config,
        weights=weights,
        missing=tuple(missing),
        unused=tuple(_unused(bundle.shapes, config)),
        vocabulary=vocabulary,
        untold=() if tells_gelu else ("hidden_act",),
    )


def _find(path: str) -> _Files:
    if tf.io.gfile.isdir(path):
        prefixes = _prefixes(path)
        if len(prefixes) != 1:
            listed = ", ".join(prefixes) or "none"
            raise UserError(
                f"{path} must hold one NAME{INDEX}, and holds {listed}. Give {path}/NAME."
            )
        path = os.path.join(path, prefixes[0])
    folder = os.path.dirname(path)
    for place in (folder, os.path.join(os.path.dirname(folder), "assets")):
        configs = [os.path.join(place, name) for name in CONFIG_FILES]
        there = [config for config in configs if tf.io.gfile.exists(config)]
        if len(there) == 1:
            return _Files(path, there[0], os.path.join(place, VOCAB_FILE))
        if there:
            raise UserError(f"{place} holds {' and '.join(CONFIG_FILES)}. Take the wrong one away.")
    raise UserError(
        f"{folder or '.'} has no {' or '.join(CONFIG_FILES)}. Put the checkpoint's own there."
    )


def _prefixes(folder: str) -> list[str]:
    """Returns the prefixes of all checkpoints in a folder, sorted."""
    files = sorted(tf.io.gfile.listdir(folder))
    return [name.removesuffix(INDEX) for name in files if name.endswith(INDEX)]


def _unused(found: Collection[str], config: ModelConfig) -> list[str]:
    of_no_use = sorted(set(found) - renaming.names_in(config, "google_tf1"))
    return [name for name in of_no_use if not _OPTIMIZER_STATE.fullmatch(name)]


def _write_text(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)
