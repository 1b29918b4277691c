"""Counts, rates and intervals."""
