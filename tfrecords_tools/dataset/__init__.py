"""What becomes of the records on disk: unfinished work, shards, the finished data set."""
