"""Recordings of any kind as 16 kHz samples and filterbank frames."""
