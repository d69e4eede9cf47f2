"""Requests to exported signatures, answered as a server would."""

import base64

import numpy as np
import tensorflow as tf


def answer(served, name, values):
    """Checks the values of a request against the signature's types and shapes, and answers."""
    signature = served[name]
    specs = signature.structured_input_signature[1]
    assert values.keys() == specs.keys()
    for key, spec in specs.items():
        assert tf.as_dtype(values[key].dtype) == spec.dtype
        assert spec.shape.is_compatible_with(values[key].shape)
    return signature(**{key: tf.constant(value) for key, value in values.items()})


def from_json(values, dtype):
    """Returns an input of a REST request as the server reads it."""
    if dtype != tf.string:
        return np.array(values, dtype.as_numpy_dtype)
    texts = [base64.b64decode(v["b64"]) if isinstance(v, dict) else v.encode() for v in values]
    return np.array(texts, object)
