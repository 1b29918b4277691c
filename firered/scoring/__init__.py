"""Scores beside references: error rates, voice activity, languages, punctuation, and the papers' tables."""
