"""Tests of tfrecords_tools.dataset."""
