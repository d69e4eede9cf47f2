"""Tests of mslt_tf.finetuning.glue."""
