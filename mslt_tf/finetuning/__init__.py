"""Fine-tuning of a pretrained encoder on tasks, and the scores that judge it."""
