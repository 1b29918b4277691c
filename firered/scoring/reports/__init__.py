"""Scores as files: text, JSON, pages, pictures, tables."""
