"""From text to the WordPiece tokens of BERT: its words, in Python and as TensorFlow operations."""
