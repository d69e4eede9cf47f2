"""Tests of tfrecords_tools."""
