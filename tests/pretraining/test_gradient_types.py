"""The types of a step's gradients."""

import pytest
import tensorflow as tf

from mslt_tf.pretraining import losses, train_step
from tests import tiny
from tests.pretraining.trained_stage import Trained, first_batch


@pytest.mark.parametrize(
    ("xla", "precision", "micro_batch_size"),
    [
        ("chains", "bfloat16", 8),
        ("step", "float16", 2),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("off", "bfloat16", 2),
                ("chains", "bfloat16", 2),
                ("chains", "float16", 8),
                ("step", "bfloat16", 8),
            )
        ),
    ],
)
def test_gradients_are_float32_in_every_precision(records, xla, precision, micro_batch_size):
    config = tiny.config(precision=precision, xla=xla, num_hidden_layers=2, num_stages=2)
    trained = Trained(config, records, stage=2)
    compute = train_step.make_gradient_function(
        trained.model, trained.optimizer, micro_batch_size=micro_batch_size, xla=xla
    )
    batch = first_batch(records)
    counts, seed = losses.loss_counts(batch), tf.constant([0, 0], tf.int64)
    traced = tf.function(compute).get_concrete_function(batch, counts, seed)
    assert {spec.dtype for spec in tf.nest.flatten(traced.structured_outputs)} == {tf.float32}
