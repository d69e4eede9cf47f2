"""Tests of mslt_tf.finetuning.squad."""
