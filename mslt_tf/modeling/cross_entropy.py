"""Cross entropy over a large vocabulary: its definition, and a fast form for CPUs."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.sums import row_maxima, row_sums


def cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, forms: Forms = Forms.DEFINITIONS
) -> tf.Tensor:
    """Returns the cross entropy of each label, in nats: float32 [count].

    Args:
        logits: float32 [count, classes].
        labels: int32 [count], 0 to `classes` - 1. On a CPU other labels are refused, unless XLA
            compiles what calls this.
        forms: the fast form pays only where XLA compiles its two passes.

    Raises:
        tf.errors.InvalidArgumentError: a label is out of range, see above; when it is computed,
            not when it is traced.
    """
    if forms.are_compiled:
        return _fast_cross_entropy(logits, labels, forms)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _fast_cross_entropy(logits: tf.Tensor, labels: tf.Tensor, forms: Forms) -> tf.Tensor:
    """One pass for the losses, one for the gradient, which starts from the logits again.

    TensorFlow's operation writes a gradient with the losses; that is scaled in a further pass.
    """

    @tf.custom_gradient
    def in_two_passes(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        maxima, sums = forms.one_pass(_maxima_and_sums, logits, forms)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return forms.one_pass(_logits_gradient, logits, maxima, sums, labels, upstream)

        chosen = tf.gather(logits, labels, batch_dims=1)  # on a CPU refuses a label out of range
        return maxima[:, 0] - chosen + tf.math.log(sums[:, 0]), gradient

    return in_two_passes(logits)


def _maxima_and_sums(logits: tf.Tensor, forms: Forms) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each row's maximum, and the sum of the exponentials of what is left: [count, 1]."""
    maxima = row_maxima(logits, forms)
    return maxima, row_sums(tf.exp(logits - maxima), forms)


def _logits_gradient(
    logits: tf.Tensor, maxima: tf.Tensor, sums: tf.Tensor, labels: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """Returns each row's probabilities, less 1 at its label, times its upstream gradient."""
    upstream = upstream[:, tf.newaxis]
    is_label = tf.range(logits.shape[-1]) == labels[:, tf.newaxis]
    return tf.exp(logits - maxima) * (upstream / sums) - tf.where(is_label, upstream, 0.0)
