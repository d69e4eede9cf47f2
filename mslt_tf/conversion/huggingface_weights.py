"""Weights under the names of transformers, with what it keeps twice or under older names."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from mslt_tf.conversion import names, renaming, safetensors_files
from mslt_tf.conversion.safetensors_files import StoredTensor
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.weights import Weights

# The output layer's matrix and bias under second names, and what they are equal to.
_TIED: Final = {
    "bert": {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    "albert": {
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
}
# What stands behind ALBERT's embeddings also where they are as wide as the layers.
_PROJECTION: Final = "albert.encoder.embedding_hidden_mapping_in"
_OLD_ENDINGS: Final = {".gamma": ".weight", ".beta": ".bias"}
_OF_ENCODER: Final = ("embeddings.", "encoder.", "pooler.")
_BUFFER: Final = ".position_ids"  # 0, 1, 2 ...: some versions of transformers store it


def to_tensors(weights: Weights, config: ModelConfig) -> dict[str, np.ndarray]:
    """Returns all tensors of BertForPreTraining, or of AlbertForPreTraining."""
    tensors = renaming.to_others(weights, config, "huggingface")
    if names.is_albert(config):
        # Its TensorFlow class reads the bias by this name, its PyTorch class by the other.
        tensors["predictions.decoder.bias"] = tensors["predictions.bias"]
        if not config.projects_embeddings:
            tensors[f"{_PROJECTION}.weight"] = np.eye(config.hidden_size, dtype=np.float32)
            tensors[f"{_PROJECTION}.bias"] = np.zeros(config.hidden_size, np.float32)
    return tensors


def from_tensors(
    stored: Mapping[str, StoredTensor], config: ModelConfig, *, path: str
) -> tuple[dict[str, dict[str, np.ndarray]], list[str], list[str]]:
    """Returns the weights, what is missing of them, and which tensors are no part of the model.

    Args:
        stored: the tensors that are there, by name.
        config: of the model.
        path: where they are, for messages.

    Raises:
        UserError: as `renaming.from_others`; or there are tensors that the model cannot express.
    """
    kind = "albert" if names.is_albert(config) else "bert"
    tensors = _by_todays_names(stored, kind, path)
    _take_out_tied(tensors, _TIED[kind], path)
    if kind == "albert" and not config.projects_embeddings:
        _take_out_identity(tensors, config.hidden_size, path)
    weights, missing = renaming.from_others(
        config,
        "huggingface",
        found=tensors.keys(),
        read=lambda name: safetensors_files.read(tensors[name]),
        path=path,
    )
    known = renaming.names_in(config, "huggingface")
    return weights, missing, sorted(tensors.keys() - known)


def _by_todays_names(
    stored: Mapping[str, StoredTensor], kind: str, path: str
) -> dict[str, StoredTensor]:
    """Returns the tensors by the names that the class for pretraining gives them today."""
    has_prefix = any(name.startswith(f"{kind}.") for name in stored)
    tensors: dict[str, StoredTensor] = {}
    for own_name, tensor in stored.items():
        name = own_name
        for old, new in _OLD_ENDINGS.items():
            name = name.removesuffix(old) + new if name.endswith(old) else name
        if not has_prefix and name.startswith(_OF_ENCODER):
            name = f"{kind}.{name}"
        if name in tensors:
            raise UserError(
                f"{path} has {name} under its name of today and under an older one. Leave out one."
            )
        if not name.endswith(_BUFFER):
            tensors[name] = tensor
    return tensors


def _take_out_tied(tensors: dict[str, StoredTensor], tied: Mapping[str, str], path: str) -> None:
    """Takes out second copies of tensors; where only the copy is there, it becomes the first."""
    for copy, name in tied.items():
        if copy not in tensors:
            continue
        tensor = tensors.pop(copy)
        if not _is_equal(tensor, tensors.setdefault(name, tensor)):
            raise UserError(
                f"{path} has {copy} with other values than {name}, which the model of this "
                "program cannot express: they are one. Give a model that ties them."
            )


def _take_out_identity(tensors: dict[str, StoredTensor], hidden_size: int, path: str) -> None:
    """Takes out the matrix behind embeddings as wide as the layers, where it changes nothing."""
    for part, neutral, num_dimensions in (("weight", np.eye, 2), ("bias", np.zeros, 1)):
        tensor = tensors.pop(f"{_PROJECTION}.{part}", None)
        if tensor is None:
            continue
        # Shape first: what the file holds is no larger than itself, what it tells may be.
        is_of_size = tensor.shape == (hidden_size,) * num_dimensions
        if not is_of_size or not np.array_equal(
            safetensors_files.read(tensor), neutral(hidden_size)
        ):
            raise UserError(
                f"{path} has a {_PROJECTION}.{part} that changes the embeddings. The model of this "
                "program has none where they are as wide as the layers. Give another model."
            )


def _is_equal(one: StoredTensor, other: StoredTensor) -> bool:
    return one == other or np.array_equal(
        safetensors_files.read(one), safetensors_files.read(other)
    )
