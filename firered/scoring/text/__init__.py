"""What is done to texts before they are compared."""
