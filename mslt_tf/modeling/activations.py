"""The two forms of GELU."""

import functools
from collections.abc import Callable

import tensorflow as tf


def gelu(hidden_act: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the activation that bert_config.json calls `hidden_act`: "gelu" or "gelu_new"."""
    return functools.partial(tf.nn.gelu, approximate={"gelu": False, "gelu_new": True}[hidden_act])
