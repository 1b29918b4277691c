"""Text as the models see it: tokens, units, width, joining."""
