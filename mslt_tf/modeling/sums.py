"""Sums and maxima in forms that suit CPUs: within passes that XLA compiles, and between them.

XLA adds up the numbers of a sum one after the other, since adding floats in another order may round
differently. Sums of slices leave the order within each lane as it is, and the lanes are computed by
vector instructions. Maxima are taken likewise. Where nothing is compiled all are plain reductions.
"""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.forms import Forms

_LANES = 16  # float32 numbers in the widest registers
# Measured on rows of 128 and 768 numbers: 3 to 12 slices take the same time, and so do 8 to 64
# slices of columns; rows of 30,522 take 18.1 ms with 4 slices, 15.9 with 32 (640 rows).
_NUM_ROW_SLICES, _NUM_COLUMN_SLICES = 4, 32

_Merge = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def row_sums(x: tf.Tensor, forms: Forms) -> tf.Tensor:
    """Returns the sums of [..., size] over the last axis: [..., 1]. For use within one pass."""
    return _over_rows(x, forms, tf.reduce_sum, tf.add)


def row_maxima(x: tf.Tensor, forms: Forms) -> tf.Tensor:
    """Returns the maxima of [..., size] over the last axis: [..., 1]. For use within one pass."""
    return _over_rows(x, forms, tf.reduce_max, tf.maximum)


def row_means(x: tf.Tensor, forms: Forms) -> tf.Tensor:
    """Returns the means of [..., size] over the last axis: [..., 1]. For use within one pass."""
    return row_sums(x, forms) / x.shape[-1]


def column_sums(x: tf.Tensor, forms: Forms) -> tf.Tensor:
    """Returns the sums of [..., size] over all axes but the last: [size]. Within one pass."""
    x = tf.reshape(x, [-1, x.shape[-1]])
    while forms.are_compiled and x.shape[0] and x.shape[0] % _NUM_COLUMN_SLICES == 0:
        grouped = tf.reshape(x, [-1, _NUM_COLUMN_SLICES, x.shape[-1]])
        x = _merge_parts([grouped[:, index] for index in range(_NUM_COLUMN_SLICES)], tf.add)
    return tf.reduce_sum(x, axis=0)


def bias_gradient(upstream: tf.Tensor, forms: Forms) -> tf.Tensor:
    """Returns the sums of [..., size] over all axes but the last: [size]. For use between passes.

    They are added up in float32, whatever the type. TensorFlow's `BiasAddGrad` adds up bfloat16 in
    bfloat16, and loses a tenth of sums of thousands of rows.
    """
    rows = tf.reshape(upstream, [-1, upstream.shape[-1]])
    if forms.are_compiled and rows.dtype != tf.float16:  # Eigen would add up float16 in float16
        # A product with ones takes oneDNN half the time of `BiasAddGrad`.
        return tf.reshape(tf.matmul(tf.ones([1, tf.shape(rows)[0]], rows.dtype), rows), [-1])
    return tf.cast(tf.reduce_sum(tf.cast(rows, tf.float32), axis=0), rows.dtype)


def _over_rows(
    x: tf.Tensor, forms: Forms, reduce: Callable[..., tf.Tensor], merge: _Merge
) -> tf.Tensor:
    """Reduces the last axis: merges slices of equal widths, reduces that, and what is left over."""
    size = x.shape[-1]
    # Where nothing is compiled, the size may be unknown.
    width = size // (_NUM_ROW_SLICES * _LANES) * _LANES if forms.are_compiled else 0
    if not width:
        return reduce(x, axis=-1, keepdims=True)
    end = _NUM_ROW_SLICES * width
    slices = [x[..., start : start + width] for start in range(0, end, width)]
    result = reduce(_merge_parts(slices, merge), axis=-1, keepdims=True)
    if end == size:
        return result
    return merge(result, reduce(x[..., end:], axis=-1, keepdims=True))


def _merge_parts(parts: list[tf.Tensor], merge: _Merge) -> tf.Tensor:
    while len(parts) > 1:
        rest = [parts[-1]] if len(parts) % 2 else []
        parts = [merge(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)] + rest
    return parts[0]
