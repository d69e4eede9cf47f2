"""From the bytes of a text to its documents, for each way of writing them."""
