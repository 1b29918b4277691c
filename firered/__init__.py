"""FireRedASR2S speech recognition as a Kaldi/ESPnet-style toolkit."""

import importlib
from typing import TYPE_CHECKING, Any

from firered.version import __version__

if TYPE_CHECKING:
    from firered.align.aligner import Aligner
    from firered.asr.families.aed import Asr
    from firered.asr.families.speech_llm import LlmAsr
    from firered.lid.identify import Lid
    from firered.punc.punctuate import Punc
    from firered.system.system import System
    from firered.vad.detect import Mvad, StreamVad, Vad

__all__ = ["Aligner", "Asr", "Lid", "LlmAsr", "Mvad", "Punc", "StreamVad", "System", "Vad", "__version__"]

# Loaded on first use: torch takes seconds, and commands must answer --help at once.
_HOME = {
    "Asr": "firered.asr.families.aed",
    "LlmAsr": "firered.asr.families.speech_llm",
    "Aligner": "firered.align.aligner",
    "Lid": "firered.lid.identify",
    "Punc": "firered.punc.punctuate",
    "System": "firered.system.system",
    "Vad": "firered.vad.detect",
    "StreamVad": "firered.vad.detect",
    "Mvad": "firered.vad.detect",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'firered' has no attribute {name!r}")
