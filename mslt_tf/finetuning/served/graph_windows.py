"""`squad_windows` as TensorFlow operations, for a batch of questions.

Words used in shapes: batch (questions), windows (of all questions, one after the other), seq
(positions of a window, padding included), tokens (of all contexts, one after the other).
"""

from typing import NamedTuple

import tensorflow as tf

from mslt_tf.export.packing import SpecialIds, pack
from mslt_tf.squad_settings import NUM_MARKS, WindowSizes


class GraphWindows(NamedTuple):
    """The windows of some questions."""

    inputs: dict[str, tf.Tensor]  # of the encoder, int32 [windows, seq]
    questions: tf.Tensor  # int64 [windows], which of the questions each is of
    limits: tf.Tensor  # int64 [windows], the position behind its last token of the context
    places: tf.Tensor  # int64 [tokens, 2], the window where it has its maximum context, and where


def make_windows(
    queries: tf.RaggedTensor, contexts: tf.RaggedTensor, special: SpecialIds, sizes: WindowSizes
) -> GraphWindows:
    """Returns the windows of questions, as `squad_windows.make_windows` cuts them.

    Args:
        queries: ids of the questions, int32 [batch, (tokens)].
        contexts: ids of their contexts, int32 [batch, (tokens)].
        special: ids of [CLS], [SEP] and padding.
        sizes: of the windows.
    """
    queries = queries[:, : sizes.max_query_length]
    questions, tokens = _spans(queries.row_lengths(), contexts, sizes)
    of_windows = tf.gather(queries, questions)
    inputs = pack(
        [of_windows, tf.gather(contexts.flat_values, tokens)],
        special,
        max_length=sizes.max_seq_length,
        pads=False,
    )
    begins = of_windows.row_lengths() + 2  # after [CLS] and the first [SEP]
    return GraphWindows(
        inputs,
        questions,
        begins + tokens.row_lengths(),
        _places(tokens, begins, num_tokens=tf.size(contexts.flat_values, tf.int64)),
    )


def _spans(
    query_lengths: tf.Tensor, contexts: tf.RaggedTensor, sizes: WindowSizes
) -> tuple[tf.Tensor, tf.RaggedTensor]:
    """Returns whose each window is, and which tokens it holds, int64 [windows, (tokens)]."""
    room = sizes.max_seq_length - NUM_MARKS - query_lengths  # [batch]
    stride = tf.minimum(room, sizes.doc_stride)
    beyond_first = tf.maximum(contexts.row_lengths() - room, 0)
    numbers = tf.ragged.range(1 + (beyond_first + stride - 1) // stride)  # [batch, (windows)]
    questions = numbers.value_rowids()
    begins = tf.gather(contexts.row_starts(), questions)
    begins += numbers.flat_values * tf.gather(stride, questions)
    limits = tf.gather(contexts.row_limits(), questions)
    limits = tf.minimum(begins + tf.gather(room, questions), limits)
    return questions, tf.ragged.range(begins, limits)


def _places(tokens: tf.RaggedTensor, begins: tf.Tensor, *, num_tokens: tf.Tensor) -> tf.Tensor:
    """Returns where each token has its maximum context, int64 [tokens, 2].

    Args:
        tokens: that each window holds, int64 [windows, (tokens)].
        begins: the position of its first one, int64 [windows].
        num_tokens: of all contexts.
    """
    windows = tokens.value_rowids()
    lengths = tf.gather(tokens.row_lengths(), windows)
    left = tf.ragged.range(tokens.row_lengths()).flat_values
    context = 100 * tf.minimum(left, lengths - 1 - left) + lengths
    rank = context * tokens.nrows() - windows  # of equal contexts, the first window's is highest
    highest = tf.math.unsorted_segment_max(rank, tokens.flat_values, num_tokens)
    is_best = rank == tf.gather(highest, tokens.flat_values)  # once for each token
    places = tf.stack([windows, tf.gather(begins, windows) + left], axis=1)
    return tf.scatter_nd(
        tf.boolean_mask(tokens.flat_values, is_best)[:, tf.newaxis],
        tf.boolean_mask(places, is_best),
        tf.stack([num_tokens, 2]),
    )
