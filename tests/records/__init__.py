"""Tests of mslt_tf.records."""
