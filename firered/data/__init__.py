"""Kaldi's tables, archives and data directories: read, checked, cut in parts, written."""
