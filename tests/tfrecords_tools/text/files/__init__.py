"""Tests of tfrecords_tools/text/files."""
