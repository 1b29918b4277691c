"""Losses, what is trained of a model, and schedules."""
