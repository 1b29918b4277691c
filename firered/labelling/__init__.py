"""Labels of what several systems agree on: of untranscribed recordings, and of transcripts that are to be checked."""
