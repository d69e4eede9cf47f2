"""Where sentences end, in every script."""
