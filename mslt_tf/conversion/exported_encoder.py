"""The encoder of an export of ours, read as data: the graph in `saved_model.pb` is not touched.

Names and values of the variables are in the checkpoint that is part of a SavedModel.
"""

import os
from collections.abc import Mapping
from typing import Final

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from mslt_tf import json_values
from mslt_tf.conversion import renaming, small_files, tensor_bundles
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.conversion.tensor_bundles import Bundle
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.export_layout import CONFIG_FILE, ENCODER, SAVED_MODEL_FILE
from mslt_tf.files import file_errors
from mslt_tf.model_config import ModelConfig
from mslt_tf.text_case import TextCase

_VARIABLES: Final = "variables/variables"  # the prefix of the checkpoint
_OBJECTS: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the tensor that tells which object has which key
_VALUE: Final = "/.ATTRIBUTES/VARIABLE_VALUE"  # ends a variable's key
_ADVICE: Final = "Export it again, or take another."


def is_export(path: str) -> bool:
    """Returns whether `path` is the folder of an export, of its encoder or another SavedModel."""
    return _place(path) is not None


def read(path: str) -> FoundModel:
    """Returns the model; an export has no sentence-pair head.

    Args:
        path: see `is_export`; in older exports, the encoder lies in the folder itself.

    Raises:
        UserError: it is no encoder that this program exported, or its files are damaged.
    """
    place = _place(path) or path
    with file_errors.naming(f"{place} cannot be read", _ADVICE):
        config = _config(place)
        bundle = tensor_bundles.open_bundle(os.path.join(place, _VARIABLES))
        keys = _keys(bundle)
        weights, missing = renaming.from_others(
            config,
            "saved_model",
            found=keys,
            read=lambda name: tensor_bundles.read(bundle, keys[name]),
            path=place,
        )
        vocabulary = _vocabulary(place)
    return FoundModel(
        path=place,
        config=config,
        weights=weights,
        missing=tuple(missing),
        unused=(),
        vocabulary=vocabulary,
        vocabulary_sha256=hash_vocabulary(vocabulary) if vocabulary else "",
        text_case=_text_case(bundle),
    )


def _place(path: str) -> str | None:
    """Returns the folder of the encoder's SavedModel."""
    places = (os.path.join(path, ENCODER), path)
    is_saved_model = (tf.io.gfile.exists(os.path.join(p, SAVED_MODEL_FILE)) for p in places)
    return next((p for p, found in zip(places, is_saved_model, strict=True) if found), None)


def _config(place: str) -> ModelConfig:
    path = os.path.join(place, CONFIG_FILE)
    if not tf.io.gfile.exists(path):
        raise UserError(
            f"{place} is a SavedModel without {CONFIG_FILE}, which this program writes into the "
            "encoders that it exports. Give the folder of such an export."
        )
    try:
        return json_values.parse(ModelConfig, json_values.loads(small_files.read(path)))
    except (json_values.JsonValueError, UserError) as error:
        raise UserError(
            f"{path} does not describe a model of ours: {str(error).rstrip('.')}. {_ADVICE}"
        ) from error


def _keys(bundle: Bundle) -> Mapping[str, str]:
    """Returns under which key the checkpoint has the value of each variable, by its name."""
    damaged = f"{bundle.prefix} does not tell the names of its variables"
    if _OBJECTS not in bundle.shapes:
        raise UserError(f"{damaged}. {_ADVICE}")
    try:
        graph = TrackableObjectGraph.FromString(tensor_bundles.read(bundle, _OBJECTS).tobytes())
    except (DecodeError, TypeError) as error:
        raise UserError(f"{damaged} ({error}). {_ADVICE}") from error
    values = (value for node in graph.nodes for value in node.attributes)
    return {v.full_name: v.checkpoint_key for v in values if v.checkpoint_key in bundle.shapes}


def _text_case(bundle: Bundle) -> TextCase | None:
    do_lower_case = _truth(bundle, "do_lower_case")
    if do_lower_case is None:
        return None
    return TextCase.of(do_lower_case, _truth(bundle, "strip_accents"))


def _truth(bundle: Bundle, name: str) -> bool | None:
    """Returns a variable of the encoder that is true or false; None where there is none."""
    # By its key: in older exports these variables have no names.
    key = f"{name}{_VALUE}"
    value = tensor_bundles.read(bundle, key) if key in bundle.shapes else None
    return bool(value) if value is not None and value.dtype == bool and not value.shape else None


def _vocabulary(place: str) -> tuple[str, ...] | None:
    """Returns the tokens of the only asset; older exports have it under the user's own name."""
    folder = os.path.join(place, "assets")
    names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
    return small_files.read_vocabulary(os.path.join(folder, names[0])) if len(names) == 1 else None
