"""The whole system: from recordings to transcripts."""
