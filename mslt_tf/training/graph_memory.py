"""Frees the graphs of a model that is done with, and with them its variables."""

import contextlib
import gc
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import ops


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Frees on leaving what was traced while entered; nothing of it may be used any more.

    TensorFlow keeps for good each gradient that `tf.custom_gradient` gave an operation of a graph,
    and such a gradient holds the graph with all variables that it reads.
    """
    registry = ops.gradient_registry
    before = set(registry.list())
    try:
        yield
    finally:
        tf.keras.backend.clear_session()
        for name in set(registry.list()) - before:
            if name.startswith("CustomGradient-"):
                del registry._registry[name]
        gc.collect()
