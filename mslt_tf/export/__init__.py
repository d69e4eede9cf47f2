"""Trained models as SavedModels for serving and fine-tuning."""
