"""Cross entropy over a large vocabulary, in a form that suits CPUs."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.one_pass import is_compiling, one_pass
from mslt_tf.modeling.sums import row_maxima, row_sums


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the cross entropy of each label, in nats: float32 [count].

    Args:
        logits: float32 [count, classes].
        labels: int32 [count], 0 to `classes` - 1. On a CPU other labels are refused, unless XLA
            compiles what calls this.

    Raises:
        tf.errors.InvalidArgumentError: when it runs: a label is out of range, see above.
    """
    if is_compiling():
        return _in_two_passes(logits, labels)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


@tf.custom_gradient
def _in_two_passes(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """One compiled call for the losses, one for the gradient, which starts from the logits again.

    TensorFlow's operation writes a gradient with the losses; that is scaled in a further pass.
    """
    maxima, sums = _maxima_and_sums(logits)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _logits_gradient(logits, maxima, sums, labels, upstream), None

    chosen = tf.gather(logits, labels, batch_dims=1)  # on a CPU refuses a label out of range
    return maxima[:, 0] - chosen + tf.math.log(sums[:, 0]), gradient


@one_pass
def _maxima_and_sums(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each row's maximum, and the sum of the exponentials of what is left: [count, 1]."""
    maxima = row_maxima(logits)
    return maxima, row_sums(tf.exp(logits - maxima))


@one_pass
def _logits_gradient(
    logits: tf.Tensor, maxima: tf.Tensor, sums: tf.Tensor, labels: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """Returns each row's probabilities, less 1 at its label, times its upstream gradient."""
    upstream = upstream[:, tf.newaxis]
    is_label = tf.range(logits.shape[-1]) == labels[:, tf.newaxis]
    return tf.exp(logits - maxima) * (upstream / sums) - tf.where(is_label, upstream, 0.0)
