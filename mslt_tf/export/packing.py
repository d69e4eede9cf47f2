"""Tokens of one or two segments put into the encoder's inputs, as TensorFlow operations.

Words used in shapes: batch (texts), seq (tokens of a sequence, padding included).
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class SpecialIds(NamedTuple):
    """Ids of the tokens that stand around and between segments, and for hidden words."""

    padding: int
    start: int
    end: int
    mask: int

    @classmethod
    def of(cls, vocabulary: Sequence[str]) -> "SpecialIds":
        """Returns those of a vocabulary, which has them all."""
        return cls(*(vocabulary.index(token) for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")))


def pack(
    segments: Sequence[tf.RaggedTensor],
    special: SpecialIds,
    *,
    max_length: int | tf.Tensor,
    pads: bool,
) -> dict[str, tf.Tensor]:
    """Returns `input_word_ids`, `input_mask` and `input_type_ids`, int32 [batch, seq].

    A sequence is [CLS] first [SEP], or [CLS] first [SEP] second [SEP]; what is too long loses
    tokens at the ends of its segments, see `kept_lengths`.

    Args:
        segments: one or two, int32 [batch, (tokens)].
        special: ids of [CLS], [SEP] and padding.
        max_length: of the sequences, with the special tokens.
        pads: to `max_length`; else to the longest sequence.
    """
    room = tf.maximum(max_length - 1 - len(segments), 0)
    lengths = kept_lengths([segment.row_lengths() for segment in segments], room)
    column = tf.zeros([segments[0].nrows(), 1], tf.int32)
    ids, types = [column + special.start], [column]
    for index, (segment, length) in enumerate(zip(segments, lengths, strict=True)):
        kept = _first_tokens(segment, length)
        ids += [kept, column + special.end]
        types += [tf.zeros_like(kept) + index, column + index]
    word_ids, type_ids = tf.concat(ids, axis=1), tf.concat(types, axis=1)
    # In a sequence of less than three tokens not even the special ones have room.
    width = tf.cast(max_length, tf.int64)
    if not pads:
        width = tf.minimum(width, tf.maximum(word_ids.bounding_shape(axis=1), 1))
    shape = tf.stack([-1, width])
    return {
        "input_word_ids": word_ids.to_tensor(special.padding, shape=shape),
        "input_mask": tf.ones_like(word_ids).to_tensor(shape=shape),
        "input_type_ids": type_ids.to_tensor(shape=shape),
    }


def kept_lengths(
    lengths: Sequence[tf.Tensor], room: int | tf.Tensor
) -> tuple[tf.Tensor] | tuple[tf.Tensor, tf.Tensor]:
    """Returns how many tokens of each segment fit into `room` together.

    As tensorflow_text's RoundRobinTrimmer has it, an operation that TensorFlow Serving lacks: a
    token of each in turn, the first segment first, until the room or the segments are used up.

    Args:
        lengths: of one or two segments, int64 [batch].
        room: number of tokens.
    """
    room = tf.cast(room, tf.int64)
    if len(lengths) == 1:
        return (tf.minimum(lengths[0], room),)
    first, second = lengths
    half = (room + 1) // 2
    kept = tf.minimum(first, tf.maximum(room - second, half))
    return kept, tf.minimum(second, room - kept)


def _first_tokens(segment: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    begins = segment.row_starts()
    return tf.gather(segment.values, tf.ragged.range(begins, begins + lengths))
