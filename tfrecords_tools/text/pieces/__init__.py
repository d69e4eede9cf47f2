"""Parts of the input that processes read independently, and samples of it."""
