"""FireRedASR2S speech recognition as a Kaldi/ESPnet-style toolkit."""

from firered.version import __version__

__all__ = ["__version__"]
