"""Tests of tfrecords_tools/text/sentences."""
