"""SQuAD 1.1 and 2.0: questions, windows, answers and scores."""
