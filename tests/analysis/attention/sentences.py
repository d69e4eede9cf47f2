"""Sentences and attention made by hand, for tests that need no model."""

import numpy as np

from mslt_tf.analysis.attention.text import Sentence


def sentence(*tokens: str) -> Sentence:
    """Returns a sentence of one segment; its ids are of no use."""
    return Sentence(("[CLS]", *tokens, "[SEP]"), (0,) * (len(tokens) + 2), (0,) * (len(tokens) + 2))


def identity(size: int) -> np.ndarray:
    """Each token looks at itself."""
    return np.eye(size, dtype=np.float32)


def even(size: int) -> np.ndarray:
    """Each token looks at all alike."""
    return np.full([size, size], 1 / size, np.float32)


def on(place: int, size: int) -> np.ndarray:
    """All tokens look at one."""
    return np.eye(size, dtype=np.float32)[[place] * size]


def layers(*heads_of_layers: list[np.ndarray]) -> np.ndarray:
    """Returns maps [layers, heads, tokens, tokens] of a list of heads for each layer."""
    return np.array(heads_of_layers)
