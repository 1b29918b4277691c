"""Voice activity detection: offline, streaming, and of speech, singing and music."""
