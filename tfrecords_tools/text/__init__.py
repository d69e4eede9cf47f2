"""Where text comes from: what the command line names, read in pieces into documents, sentences."""
