"""Tests of mslt_tf.analysis."""
