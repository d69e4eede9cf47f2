"""Runs read back and compared: a report of curves, tables and figures."""
