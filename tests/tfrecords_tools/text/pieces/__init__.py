"""Tests of tfrecords_tools/text/pieces."""
