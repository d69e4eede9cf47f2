"""Tests of the attention of runs."""
