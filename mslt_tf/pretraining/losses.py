"""BERT's two losses as sums; whoever has the counts over all replicas divides.

Shapes: batch, predictions (masked positions of a sequence, with padding), vocab.
"""

from typing import NamedTuple

import tensorflow as tf

from mslt_tf.modeling.cross_entropy import cross_entropy
from mslt_tf.modeling.forms import Forms
from mslt_tf.records.batch import Batch


class LossCounts(NamedTuple):
    """What the two losses are averaged over: float32 scalars."""

    masked_tokens: tf.Tensor
    sequences: tf.Tensor


class Losses(NamedTuple):
    """The two losses, in nats: float32 scalars."""

    masked_lm: tf.Tensor
    sentence_pair: tf.Tensor


def loss_counts(batch: Batch) -> LossCounts:
    """Returns the counts of a batch."""
    weights = batch["masked_lm_weights"]  # [batch, predictions]
    return LossCounts(tf.reduce_sum(weights), tf.cast(tf.shape(weights)[0], tf.float32))


def masked_lm_losses(
    logits: tf.Tensor, batch: Batch, forms: Forms = Forms.DEFINITIONS
) -> tf.Tensor:
    """Returns the cross entropy of each masked token, in nats; padding counts 0.

    Args:
        logits: float32 [batch, predictions, vocab].
        batch: has `masked_lm_ids` and `masked_lm_weights` [batch, predictions].
        forms: how to compute it.

    Returns:
        float32 [batch, predictions].
    """
    rows = tf.reshape(logits, [-1, logits.shape[-1]])
    weights = batch["masked_lm_weights"]
    losses = cross_entropy(rows, tf.reshape(batch["masked_lm_ids"], [-1]), forms)
    return tf.reshape(losses, tf.shape(weights)) * weights


def sentence_pair_losses(logits: tf.Tensor, batch: Batch) -> tf.Tensor:
    """Returns the cross entropy of each sentence label, in nats: float32 [batch]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=batch["next_sentence_labels"], logits=logits
    )
