"""`squad_answers` as TensorFlow operations: the best answer to each question of a batch.

Words used in shapes: as in `graph_windows`, and spans (the lengths that an answer may have).
"""

from typing import NamedTuple

import tensorflow as tf

from mslt_tf.finetuning.served.graph_windows import GraphWindows

_NONE = float("-inf")  # the score of what is no answer


class Spans(NamedTuple):
    """The best answer to each question; without any token, the empty one of score 0."""

    firsts: tf.Tensor  # int64 [batch], its first token, of those of its context
    lasts: tf.Tensor  # int64 [batch], its last
    scores: tf.Tensor  # float64 [batch], the sum of its two logits
    totals: tf.Tensor  # float64 [batch], the log of the sum of exp(score) of all answers


def best_spans(
    logits: tf.Tensor,
    windows: GraphWindows,
    contexts: tf.RaggedTensor,
    *,
    max_answer_length: int,
) -> Spans:
    """Returns the best answers by the rules of `squad_answers.find_answers`.

    Args:
        logits: of start and end, float32 [windows, seq, 2].
        windows: that they are of.
        contexts: int32 [batch, (tokens)].
        max_answer_length: in tokens.
    """
    by_token = contexts.with_flat_values(_scores(logits, windows, max_answer_length))
    width = tf.maximum(contexts.bounding_shape(axis=1), 1)
    shape = tf.stack([contexts.nrows(), width, max_answer_length])
    num_spans = width * max_answer_length
    scores = tf.reshape(
        by_token.to_tensor(_NONE, shape=shape), tf.stack([contexts.nrows(), num_spans])
    )
    has_none = contexts.row_lengths()[:, tf.newaxis] == 0
    empty = tf.one_hot(0, tf.cast(num_spans, tf.int32), 0.0, _NONE, dtype=tf.float64)
    scores = tf.where(has_none, empty, scores)
    best = tf.argmax(scores, axis=1)  # the first of equal ones, by begin and then by length
    firsts = best // max_answer_length
    return Spans(
        firsts,
        lasts=firsts + best % max_answer_length,
        scores=tf.reduce_max(scores, axis=1),
        totals=tf.reduce_logsumexp(scores, axis=1),
    )


def null_scores(logits: tf.Tensor, windows: GraphWindows, batch_size: tf.Tensor) -> tf.Tensor:
    """Returns the score of no answer, float64 [batch]: at [CLS], least of all windows."""
    of_windows = tf.reduce_sum(tf.cast(logits[:, 0], tf.float64), axis=1)
    return tf.math.unsorted_segment_min(of_windows, windows.questions, batch_size)


def _scores(logits: tf.Tensor, windows: GraphWindows, max_answer_length: int) -> tf.Tensor:
    """Returns the scores of all spans by their first token, float64 [tokens, spans].

    A span lies in the window where its first token has its maximum context.
    """
    logits = tf.cast(logits, tf.float64)  # in which `squad_answers` adds them
    window, first = tf.unstack(windows.places, axis=1)
    lasts = first[:, tf.newaxis] + tf.range(max_answer_length, dtype=tf.int64)  # [tokens, spans]
    is_inside = lasts < tf.gather(windows.limits, window)[:, tf.newaxis]
    lasts = tf.where(is_inside, lasts, 0)
    starts = tf.gather_nd(logits[:, :, 0], windows.places)
    of_lasts = tf.stack([tf.broadcast_to(window[:, tf.newaxis], tf.shape(lasts)), lasts], axis=2)
    ends = tf.gather_nd(logits[:, :, 1], of_lasts)
    return tf.where(is_inside, starts[:, tf.newaxis] + ends, _NONE)
