"""GLUE: its tasks, files, metrics and submissions."""
