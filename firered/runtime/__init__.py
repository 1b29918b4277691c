"""What modules share in memory: speech, batches, loaded models."""
