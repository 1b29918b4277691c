"""Decoding that knows no model: beam search and generation."""
