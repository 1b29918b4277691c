"""Neural networks; parameter names are those of the released checkpoints."""
