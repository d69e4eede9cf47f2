"""Where the attention heads of runs look in a text: maps, and numbers on them."""
