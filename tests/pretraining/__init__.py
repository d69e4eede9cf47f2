"""Tests of mslt_tf.pretraining."""
