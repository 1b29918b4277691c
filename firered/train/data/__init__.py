"""Training data: utterances, texts and labels as batches."""
