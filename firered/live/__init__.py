"""Live recognition: text of speech while it is spoken."""
