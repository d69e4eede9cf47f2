"""What any training has: optimizer and schedule, checkpoints, log, progress, interruption."""
