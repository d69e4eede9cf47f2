"""Sizes of axes, as numbers where a graph knows them."""

import tensorflow as tf


def sizes(x: tf.Tensor) -> list[int | tf.Tensor]:
    """Returns the size of each axis: a number, or an int32 scalar where a graph leaves it open.

    A shape of numbers is one constant. Taking it from `tf.shape` is a dozen operations, which take
    longer to make than the rest of a small layer.
    """
    known = x.shape.as_list()
    if None not in known:
        return known
    pairs = zip(known, tf.unstack(tf.shape(x)), strict=True)
    return [found if size is None else size for size, found in pairs]
