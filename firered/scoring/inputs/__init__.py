"""References and hypotheses, read and paired."""
