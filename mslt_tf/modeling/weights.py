"""The weights of a model as values: taken from it, given to it, checked.

They go by names: of the layer, and of the variable within its layer.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from mslt_tf.errors import UserError

# Values of a model's variables on the host: layer name -> name within the layer -> value.
Weights = Mapping[str, Mapping[str, np.ndarray]]

# Of an absolute value. Those of trained models stay below 100; what runs away passes it in no time.
LARGEST_WEIGHT = 1e3


def weights_of(model: tf.keras.Model) -> dict[str, dict[str, np.ndarray]]:
    """Copies the weights of a model to the host."""
    return {
        layer.name: {name: v.numpy() for name, v in named_variables(layer).items()}
        for layer in model.layers
        if layer.variables
    }


def load(model: tf.keras.Model, weights: Weights) -> None:
    """Gives every layer of `model` the weights of the layer of the same name."""
    for layer in model.layers:
        if layer.variables:
            assign(layer, weights[layer.name])


def load_found(model: tf.keras.Model, weights: Weights) -> None:
    """Gives the layers named in `weights` theirs; the others keep what they have."""
    for name, values in weights.items():
        assign(model.get_layer(name), values)


def assign(layer: tf.keras.layers.Layer, values: Mapping[str, np.ndarray]) -> None:
    """Sets all variables of `layer` from values by name within the layer.

    Raises:
        ValueError: the names differ.
    """
    variables = named_variables(layer)
    if variables.keys() != values.keys():
        raise ValueError(f"{layer.name} has {sorted(variables)}, the source {sorted(values)}")
    for name, variable in variables.items():
        variable.assign(values[name])


def named_variables(layer: tf.keras.layers.Layer) -> dict[str, tf.Variable]:
    """Returns a layer's variables by their name within it, e.g. "attention/query/kernel"."""
    prefix = layer.name + "/"
    return {v.name.removeprefix(prefix).removesuffix(":0"): v for v in layer.variables}


def check_usable(model: tf.keras.Model) -> None:
    """Checks that a model's weights are those of one that can be used and trained on.

    Raises:
        UserError: names the first variable that has a value that is no number, or beyond
            `LARGEST_WEIGHT`.
    """
    for layer in model.layers:
        for name, variable in named_variables(layer).items():
            _check(variable.numpy(), f"{layer.name}/{name}", what="the model")


def check_values(weights: Weights, *, what: str) -> None:
    """Checks weights as `check_usable` does; `what` they are is for the message.

    Raises:
        UserError: as there.
    """
    for layer, named in weights.items():
        for name, value in named.items():
            _check(value, f"{layer}/{name}", what=what)


def _check(value: np.ndarray, name: str, *, what: str) -> None:
    largest = np.max(np.abs(value))
    if not largest <= LARGEST_WEIGHT:  # NaN is not, either
        raise UserError(
            f"{what} is of no use: a weight of {name} is {largest:.3g}, and none may exceed "
            f"{LARGEST_WEIGHT:g}."
        )
