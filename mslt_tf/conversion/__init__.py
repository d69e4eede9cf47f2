"""Trained models as other programs write them, and back: Hugging Face, Google's TF1 code."""
