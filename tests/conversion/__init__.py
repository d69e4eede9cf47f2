"""Tests of mslt_tf.conversion."""
