"""Recogniser families: one file for each kind of checkpoint directory."""
