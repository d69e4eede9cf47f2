"""Tests of tfrecords_tools/text/formats."""
