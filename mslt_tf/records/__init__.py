"""Reading pretraining records: which files, in which order, as which batches."""
