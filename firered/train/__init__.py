"""Training of every module: one loop, and a small file of data and loss a task."""
