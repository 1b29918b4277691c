"""All modules together: from recordings to transcripts."""
