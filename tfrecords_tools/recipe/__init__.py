"""What records are made of documents: pure functions of documents and a seed."""
