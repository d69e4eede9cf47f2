"""Tests of mslt_tf.distribution."""
