"""Which gradients of a bfloat16 step stay in bfloat16, and that they are the same numbers."""

import numpy as np
import tensorflow as tf

from mslt_tf.pretraining import losses, train_step
from tests import tiny
from tests.pretraining.test_train_step import NO_DROPOUT, Trained, first_batch, on_both


@on_both
def test_gradients_that_stay_in_bfloat16_are_those_that_were_widened(records, sizes, monkeypatch):
    config = tiny.config(precision="bfloat16", xla="chains", **sizes)
    trained = Trained(config, records, stage=4)
    variables = [variable.name for variable in trained.model.trainable_variables]
    short = gradients_of_first_batch(config, trained, records)
    monkeypatch.setattr(train_step, "_before_widening", lambda gradient: gradient)
    wide = gradients_of_first_batch(config, trained, records)
    for name, gradient, expected in zip(variables, short, wide, strict=True):
        assert expected.dtype == tf.float32
        np.testing.assert_array_equal(tf.cast(gradient, tf.float32), expected, name)
    in_bfloat16 = {
        name
        for name, gradient in zip(variables, short, strict=True)
        if gradient.dtype == tf.bfloat16
    }
    # Those of shared weights are sums, and so are the word table's: added up in float32.
    is_albert = bool(sizes)
    float32_layers = ("sentence_pair", *(["encoder_"] if is_albert else []))
    kernels = {name for name in variables if name.endswith("/kernel:0")}
    assert in_bfloat16 == {name for name in kernels if not name.startswith(float32_layers)}
    assert len(in_bfloat16) == (3 if is_albert else 2 + 4 * 6)


def gradients_of_first_batch(config, trained, records, **options):
    compute = train_step.make_gradient_function(
        config, model=trained.model, optimizer=trained.optimizer, **options
    )
    batch, seed = first_batch(records), tf.constant([1, 2], tf.int64)
    return tf.function(lambda: compute(batch, list(losses.loss_counts(batch)), seed))()[2:]


def test_accumulated_micro_batches_are_float32(records):
    config = tiny.config(precision="bfloat16", xla="chains", **NO_DROPOUT)
    trained = Trained(config, records, stage=4)
    whole = gradients_of_first_batch(config, trained, records)
    parts = gradients_of_first_batch(config, trained, records, micro_batch_size=2)
    for gradient, expected in zip(parts, whole, strict=True):
        assert gradient.dtype == tf.float32
        allowed = 0.05 * np.abs(tf.cast(expected, tf.float32)).max()  # bfloat16 has 8 bits
        np.testing.assert_allclose(gradient, tf.cast(expected, tf.float32), atol=allowed)
