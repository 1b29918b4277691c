"""Transcripts as subtitles, tables, pages and pictures."""
