"""Texts turned into the encoder's inputs, within a graph."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from mslt_tf.export.packing import SpecialIds, pack
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.graph_tokenizer import GraphTokenizer


def text_spec(name: str) -> tf.TensorSpec:
    """Returns string [any batch]."""
    return tf.TensorSpec([None], tf.string, name=name)


def as_many(inputs: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
    """Returns a graph's inputs, once all were seen to have as many texts as the first.

    Args:
        inputs: string [batch], by the names that a signature gives them.

    Raises:
        tensorflow.errors.InvalidArgumentError: they have not; both numbers are told.
    """
    (name, first), *others = inputs.items()
    checks = [
        tf.debugging.assert_equal(
            tf.size(texts), tf.size(first), f"{other} must have as many texts as {name}"
        )
        for other, texts in others
    ]
    with tf.control_dependencies(checks):  # or else another operation may fail first
        return [tf.identity(texts) for texts in inputs.values()]


class TextPacker:
    """Makes sequences of one text or two, padded to the longest of the batch."""

    def __init__(self, vocabulary: Sequence[str], text_case: TextCase, *, max_length: int) -> None:
        """Takes the encoder's tokens by id, what is done to letters, and the longest sequence."""
        self.special = SpecialIds.of(vocabulary)
        self._max_length = max_length
        # A function of its own, so that it is saved once for all that call it.
        self._tokenize = tf.function(
            GraphTokenizer(vocabulary, text_case).tokenize,
            autograph=False,
            input_signature=[text_spec("text")],
        )

    def tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of texts [batch], int32 [batch, (tokens)]."""
        return self._tokenize(texts).merge_dims(1, 2)

    def pack(self, *segments: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Returns the encoder's inputs of one or two segments of tokens, see `packing.pack`."""
        return pack(segments, self.special, max_length=self._max_length, pads=False)
