"""Data that is made for training: keywords and contexts of transcripts, sentences, synthetic speech."""
