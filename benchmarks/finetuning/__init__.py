"""Times fine-tuning beside transformers' own; see `__main__`."""
