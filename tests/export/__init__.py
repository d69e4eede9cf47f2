"""Tests of mslt_tf.export."""
