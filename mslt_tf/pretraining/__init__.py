"""Training a stage plan: input, losses, optimization, stage models, checkpoints, the loop."""
