"""Where text comes from: inputs, formats, pieces that are read independently, sentences."""
