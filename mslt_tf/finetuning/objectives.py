"""What a model is fine-tuned to say of a sequence, and how wrong it is.

Words used in shapes: batch (sequences), seq (tokens of a sequence, padding included).
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

_NO_PLACE = -1e9  # added to the logits of padding


@dataclasses.dataclass(frozen=True)
class Objective:
    """The head's shape and the loss."""

    num_outputs: int  # of the head, for each vector that it reads
    reads_every_token: bool  # or only [CLS], by the pooler
    targets: tf.TensorSpec  # of a batch
    losses: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    """Of (outputs, targets, input_mask), one for each sequence: float32 [batch].

    Outputs are float32 [batch, num_outputs], or [batch, seq, num_outputs] where every token is
    read.
    """


def classification(num_labels: int) -> Objective:
    """Returns the objective of one label of some; targets are int32 [batch], its place."""
    return Objective(num_labels, False, tf.TensorSpec([None], tf.int32), _label_losses)


def regression() -> Objective:
    """Returns the objective of a number: squared error; targets are float32 [batch]."""
    return Objective(1, False, tf.TensorSpec([None], tf.float32), _squared_errors)


def span() -> Objective:
    """Returns the objective of a first and a last token; targets are int32 [batch, 2].

    The loss is the mean of the two cross entropies, as in google-research/bert's run_squad.py.
    """
    return Objective(2, True, tf.TensorSpec([None, 2], tf.int32), _span_losses)


def _label_losses(outputs: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)


def _squared_errors(outputs: tf.Tensor, targets: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.math.squared_difference(outputs[:, 0], targets)


def _span_losses(outputs: tf.Tensor, targets: tf.Tensor, input_mask: tf.Tensor) -> tf.Tensor:
    padding = tf.cast(1 - input_mask, tf.float32) * _NO_PLACE  # [batch, seq]
    logits = tf.transpose(outputs, [0, 2, 1]) + padding[:, tf.newaxis, :]  # [batch, 2, seq]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    return tf.reduce_mean(losses, axis=1)
