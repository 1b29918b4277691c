"""FireRedASR2S speech recognition as a Kaldi/ESPnet-style toolkit."""

import importlib
from typing import TYPE_CHECKING, Any

from firered.version import __version__

if TYPE_CHECKING:
    from firered.aligner import Aligner
    from firered.asr import Asr
    from firered.vad import Mvad, StreamVad, Vad

__all__ = ["Aligner", "Asr", "Mvad", "StreamVad", "Vad", "__version__"]

# Loaded on first use: torch takes seconds, and commands must answer --help at once.
_HOME = {
    "Asr": "firered.asr",
    "Aligner": "firered.aligner",
    "Vad": "firered.vad",
    "StreamVad": "firered.vad",
    "Mvad": "firered.vad",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'firered' has no attribute {name!r}")
