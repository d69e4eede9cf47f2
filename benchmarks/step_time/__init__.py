"""Times the steps of each stage of a plan; see `__main__`."""
