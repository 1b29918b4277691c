"""Punctuation, capitals and sentences."""
