"""Tests of tfrecords_tools.recipe."""
