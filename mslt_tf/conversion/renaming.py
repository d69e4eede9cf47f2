"""Weights from our names to others' and back, by the table of names."""

from collections.abc import Callable, Collection
from typing import Literal

import numpy as np

from mslt_tf.conversion import names
from mslt_tf.conversion.names import Other, Tensor
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling.weights import Weights

Format = Literal["huggingface", "google_tf1", "saved_model"]  # the columns of the table


def to_others(weights: Weights, config: ModelConfig, format: Format) -> dict[str, np.ndarray]:
    """Returns all weights under the names, and in the shapes, of another format.

    Raises:
        KeyError: a variable of the model is not among the weights.
    """
    renamed = {}
    for tensor in names.tensors(config):
        other = _other(tensor, format)
        renamed[other.name] = _turned(weights[tensor.layer][tensor.name], other)
    return renamed


def from_others(
    config: ModelConfig,
    format: Format,
    *,
    found: Collection[str],
    read: Callable[[str], np.ndarray],
    path: str,
) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Returns the weights of layers that are there whole, and what is missing, as "layer/name".

    Args:
        config: of the model that is looked for.
        format: of the names.
        found: the names that are there.
        read: returns the values of one; called once for each that is taken.
        path: where it is, for messages.

    Raises:
        UserError: a tensor is there in another shape than the model has it, or in another type
            than float.
    """
    shapes = names.shapes(config)
    tensors = names.tensors(config)
    missing = [tensor for tensor in tensors if _other(tensor, format).name not in found]
    incomplete = {tensor.layer for tensor in missing}
    weights: dict[str, dict[str, np.ndarray]] = {}
    for tensor in tensors:
        if tensor.layer in incomplete:
            continue
        other = _other(tensor, format)
        value = read(other.name)
        expected = shapes[tensor.layer, tensor.name]
        if other.is_transposed:
            expected = expected[::-1]
        if value.shape != expected or not np.issubdtype(value.dtype, np.floating):
            raise UserError(
                f"{path} has {other.name} as {value.dtype} {list(value.shape)}; by its sizes the "
                f"model has float {list(expected)}. Give the configuration that belongs to it."
            )
        weights.setdefault(tensor.layer, {})[tensor.name] = _turned(value, other)
    return weights, [f"{tensor.layer}/{tensor.name}" for tensor in missing]


def names_in(config: ModelConfig, format: Format) -> set[str]:
    """Returns the names of all variables of a model in another format."""
    return {_other(tensor, format).name for tensor in names.tensors(config)}


def _other(tensor: Tensor, format: Format) -> Other:
    other: Other = getattr(tensor, format)
    return other


def _turned(value: np.ndarray, other: Other) -> np.ndarray:
    """Returns float32 values in the other orientation; the same both ways."""
    turned = value.T if other.is_transposed else value
    with np.errstate(over="ignore"):  # infinity is told where weights are checked
        return np.ascontiguousarray(turned, np.float32)
