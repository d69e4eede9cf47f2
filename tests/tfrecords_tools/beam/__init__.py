"""Tests of tfrecords_tools/beam."""
