"""Checkpoints of google-research/bert and google-research/albert (TensorFlow 1), out and in.

A folder holds the configuration, `vocab.txt`, and the checkpoint, whose two or more files begin
with the same words, its prefix. What the configuration cannot say: see `google_tf1_config`.
"""

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mslt_tf.conversion import google_tf1_config, names, renaming, small_files
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, pattern_names, removal
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.vocabulary import parse_vocabulary

VOCAB_FILE = "vocab.txt"
_BERT_CONFIG, _ALBERT_CONFIG = "bert_config.json", "albert_config.json"
CONFIG_FILES = (_BERT_CONFIG, _ALBERT_CONFIG)
_PREFIXES = {_BERT_CONFIG: "bert_model.ckpt", _ALBERT_CONFIG: "model.ckpt-best"}
_INDEX = ".index"  # names, shapes and places of all tensors
_DATA = re.compile(r"\.data-(\d{5})-of-(\d{5})")
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
        return bool(tf.io.gfile.exists(path + _INDEX))
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
        pattern_names.check(files.prefix, what="the checkpoint")
        config, tells_gelu = google_tf1_config.parse(
            small_files.read(files.config),
            path=files.config,
            is_albert=os.path.basename(files.config) == _ALBERT_CONFIG,
        )
        vocabulary = _read_vocabulary(files.vocabulary)
        num_bytes = _check_shards(files.prefix)
        with _reading(files.prefix):
            reader = tf.train.load_checkpoint(files.prefix)
            found = reader.get_variable_to_shape_map()
        weights, missing = renaming.from_others(
            config,
            "google_tf1",
            found=found,
            read=lambda name: _tensor(reader, name, files.prefix, num_bytes),
            path=files.prefix,
        )
    return FoundModel(
        path=path,
        config=config,
        weights=weights,
        missing=tuple(missing),
        unused=tuple(_unused(found, config)),
        vocabulary=vocabulary,
        untold=() if tells_gelu else ("hidden_act",),
    )


def _find(path: str) -> _Files:
    if tf.io.gfile.isdir(path):
        prefixes = _prefixes(path)
        if len(prefixes) != 1:
            listed = ", ".join(prefixes) or "none"
            raise UserError(
                f"{path} must hold one NAME{_INDEX}, and holds {listed}. Give {path}/NAME."
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
    return [name.removesuffix(_INDEX) for name in files if name.endswith(_INDEX)]


def _check_shards(prefix: str) -> int:
    """Returns the bytes of a checkpoint's data, of which no part is missing."""
    folder, name = os.path.split(prefix)
    parts: dict[tuple[int, int], str] = {}
    for file in tf.io.gfile.listdir(folder or "."):
        match = _DATA.fullmatch(file.removeprefix(name)) if file.startswith(name) else None
        if match:
            parts[int(match[1]), int(match[2])] = os.path.join(folder, file)
    count = max((count for _, count in parts), default=1)
    for index in range(count):
        if (index, count) not in parts:
            raise UserError(f"{prefix}.data-{index:05d}-of-{count:05d} is missing. {_ADVICE}")
    return sum(tf.io.gfile.stat(file).length for file in parts.values())


def _tensor(reader: Any, name: str, prefix: str, num_bytes: int) -> np.ndarray:
    """Returns a tensor; the index is not believed to have more than the data can hold."""
    dtype = reader.get_variable_to_dtype_map()[name]
    shape = reader.get_variable_to_shape_map()[name]
    if dtype.size * math.prod(shape) > num_bytes:
        raise UserError(
            f"{prefix}{_INDEX} is damaged: {name} is to have shape {shape}, and all data has "
            f"{num_bytes:,} bytes. {_ADVICE}"
        )
    with _reading(prefix):
        return np.asarray(reader.get_tensor(name))


@contextlib.contextmanager
def _reading(prefix: str) -> Iterator[None]:
    """Names a checkpoint that is damaged; TensorFlow raises errors of many kinds for one."""
    try:
        yield
    except (tf.errors.OpError, RuntimeError, LookupError, ValueError) as error:
        raise UserError(f"{prefix} is damaged ({file_errors.reason(error)}). {_ADVICE}") from error


def _unused(found: dict[str, list[int]], config: ModelConfig) -> list[str]:
    of_no_use = sorted(found.keys() - renaming.names_in(config, "google_tf1"))
    return [name for name in of_no_use if not _OPTIMIZER_STATE.fullmatch(name)]


def _read_vocabulary(path: str) -> tuple[str, ...] | None:
    return (
        tuple(parse_vocabulary(small_files.read(path), name=path))
        if tf.io.gfile.exists(path)
        else None
    )


def _write_text(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)
