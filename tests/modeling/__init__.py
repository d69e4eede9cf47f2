"""Tests of the BERT layers and model."""
