"""BERT pretraining by Multi-Stage Layerwise Training (arXiv 2011.13635) on TensorFlow 2."""

__version__ = "0.1.0"
