"""Sums over rows and columns in forms that suit CPUs: within the passes of `one_pass`, and between.

XLA adds up the numbers of a sum one after the other, since adding floats in another order may round
differently. Sums of slices leave the order within each lane as it is, and the lanes are computed by
vector instructions. Where nothing is compiled these are the plain sums.
"""

import tensorflow as tf

from mslt_tf.modeling.one_pass import is_compiling

_LANES = 16  # float32 numbers in the widest registers
# Measured on rows of 128 and 768 numbers: 3 to 12 slices take the same time, and so do 8 to 64.
_NUM_ROW_SLICES, _NUM_COLUMN_SLICES = 4, 32


def row_sums(x: tf.Tensor) -> tf.Tensor:
    """Returns the sums of [..., size] over the last axis: [..., 1]. For use within `one_pass`."""
    if is_compiling():
        width = _slice_width(x.shape[-1])
        x = _add_up([x[..., start : start + width] for start in range(0, x.shape[-1], width)])
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

    They are added up in float32, whatever the type. TensorFlow's `BiasAddGrad` adds up bfloat16 in
    bfloat16, and loses a tenth of sums of thousands of rows.
    """
    rows = tf.reshape(upstream, [-1, upstream.shape[-1]])
    if is_compiling() and rows.dtype != tf.float16:  # which Eigen's products add up in float16
        # A product with ones takes oneDNN half the time of `BiasAddGrad`.
        return tf.reshape(tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows), [-1])
    return tf.cast(tf.reduce_sum(tf.cast(rows, tf.float32), axis=0), rows.dtype)


def _slice_width(size: int) -> int:
    """Returns a multiple of `_LANES` that divides `size`, about a fourth of it; else `size`."""
    widths = range(_LANES, size + 1, _LANES)
    fitting = [width for width in widths if size % width == 0]
    return min(fitting, key=lambda width: abs(size / width - _NUM_ROW_SLICES), default=size)


def _add_up(parts: list[tf.Tensor]) -> tf.Tensor:
    while len(parts) > 1:
        rest = [parts[-1]] if len(parts) % 2 else []
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)] + rest
    return parts[0]
