"""Tests of mslt_tf.training."""
