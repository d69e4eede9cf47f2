"""Sums over rows and columns, in a form that XLA turns into vector instructions on CPUs.

XLA adds up the numbers of a sum one after the other, because adding floats in another order may
round differently. Sums of whole slices leave the order within each lane as it is, and the lanes
are independent. Outside of compiled passes these are the plain sums.
"""

import tensorflow as tf

from mslt_tf.modeling.one_pass import is_compiling

_NUM_ROW_SLICES, _NUM_COLUMN_SLICES = 4, 32
_MIN_LANES = 16  # float32 numbers in the widest registers


def row_sums(x: tf.Tensor) -> tf.Tensor:
    """Returns the sums of [..., size] over the last axis: [..., 1]. For use within `one_pass`."""
    if is_compiling():
        size = x.shape[-1]
        lanes = max(size // _NUM_ROW_SLICES // _MIN_LANES, 1) * _MIN_LANES
        if size % lanes == 0:
            x = _add_up([x[..., start : start + lanes] for start in range(0, size, lanes)])
    return tf.reduce_sum(x, axis=-1, keepdims=True)


def row_means(x: tf.Tensor) -> tf.Tensor:
    """Returns the means of [..., size] over the last axis: [..., 1]. For use within `one_pass`."""
    return row_sums(x) / x.shape[-1]


def column_sums(x: tf.Tensor) -> tf.Tensor:
    """Returns the sums of [..., size] over all axes but the last: [size]. For use in `one_pass`."""
    x = tf.reshape(x, [-1, x.shape[-1]])
    while is_compiling() and x.shape[0] and x.shape[0] % _NUM_COLUMN_SLICES == 0:
        grouped = tf.reshape(x, [-1, _NUM_COLUMN_SLICES, x.shape[-1]])
        x = _add_up([grouped[:, index] for index in range(_NUM_COLUMN_SLICES)])
    return tf.reduce_sum(x, axis=0)


def bias_gradient(upstream: tf.Tensor) -> tf.Tensor:
    """Returns the sums of [..., size] over all axes but the last: [size]. For use between passes.

    In float32 whatever the type: TensorFlow's `BiasAddGrad` adds up bfloat16 in bfloat16, which
    leaves a tenth of error in sums of thousands of rows. A product with a row of ones takes oneDNN
    half its time, too.
    """
    rows = tf.reshape(upstream, [-1, upstream.shape[-1]])
    if not is_compiling():
        return tf.cast(tf.reduce_sum(tf.cast(rows, tf.float32), axis=0), rows.dtype)
    return tf.reshape(tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows), [-1])


def _add_up(parts: list[tf.Tensor]) -> tf.Tensor:
    while len(parts) > 1:
        rest = [parts[-1]] if len(parts) % 2 else []
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)] + rest
    return parts[0]
