"""Tests of mslt_tf.tokenization."""
