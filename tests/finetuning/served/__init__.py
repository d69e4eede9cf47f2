"""Tests of mslt_tf.finetuning.served."""
