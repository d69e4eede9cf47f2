"""What the methods learn: the same data, one model, several plans."""
