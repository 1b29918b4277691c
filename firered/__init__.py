"""FireRedASR2S speech recognition as a Kaldi/ESPnet-style toolkit.

`load` and `transcribe` are the front door; every module is a class: `module(recording)` and `module.batch(recordings)`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from firered.version import __version__

if TYPE_CHECKING:
    from firered.align.aligner import Aligner
    from firered.align.config import AlignConfig
    from firered.asr.aed_config import AsrConfig
    from firered.asr.config import RecogniserConfig
    from firered.asr.families.aed import Asr
    from firered.asr.families.speech_llm import LlmAsr
    from firered.asr.llm_config import LlmConfig
    from firered.asr.recogniser import Encoded
    from firered.audio.config import AudioConfig
    from firered.audio.like import AudioLike, Rxfilename
    from firered.errors import AudioError, DataError, FireRedError, ModelError, OptionError, Outcome, result_of
    from firered.front import load, transcribe
    from firered.lid.config import LidConfig
    from firered.lid.identify import Lid
    from firered.live.config import LiveConfig
    from firered.live.session import LiveSession
    from firered.live.system import LiveSystem
    from firered.punc.config import PuncConfig
    from firered.punc.punctuate import Punc
    from firered.results import (
        Alignment,
        AlignResult,
        AsrResult,
        Event,
        LanguageGuess,
        LidResult,
        MvadResult,
        NBest,
        PuncResult,
        Result,
        Seconds,
        Sentence,
        StreamEvent,
        StreamFrame,
        StreamVadResult,
        TokenSpan,
        TokenTime,
        Transcript,
        Trouble,
        VadResult,
        Word,
    )
    from firered.results.live import Final, Partial
    from firered.runtime.context import Context
    from firered.system.config import SystemConfig
    from firered.system.system import System
    from firered.vad.config import MvadConfig, StreamVadConfig, VadConfig
    from firered.vad.detect import Mvad, StreamVad, Vad

__all__ = [
    "AlignConfig",
    "AlignResult",
    "Aligner",
    "Alignment",
    "Asr",
    "AsrConfig",
    "AsrResult",
    "AudioConfig",
    "AudioError",
    "AudioLike",
    "Context",
    "DataError",
    "Encoded",
    "Event",
    "Final",
    "FireRedError",
    "LanguageGuess",
    "Lid",
    "LidConfig",
    "LidResult",
    "LiveConfig",
    "LiveSession",
    "LiveSystem",
    "LlmAsr",
    "LlmConfig",
    "ModelError",
    "Mvad",
    "MvadConfig",
    "MvadResult",
    "NBest",
    "OptionError",
    "Outcome",
    "Partial",
    "Punc",
    "PuncConfig",
    "PuncResult",
    "RecogniserConfig",
    "Result",
    "Rxfilename",
    "Seconds",
    "Sentence",
    "StreamEvent",
    "StreamFrame",
    "StreamVad",
    "StreamVadConfig",
    "StreamVadResult",
    "System",
    "SystemConfig",
    "TokenSpan",
    "TokenTime",
    "Transcript",
    "Trouble",
    "Vad",
    "VadConfig",
    "VadResult",
    "Word",
    "__version__",
    "load",
    "result_of",
    "transcribe",
]

# Loaded on first use: importing torch takes seconds, and --help of commands must be fast.
_NAMES = {
    "firered.align.aligner": "Aligner",
    "firered.align.config": "AlignConfig",
    "firered.asr.aed_config": "AsrConfig",
    "firered.asr.config": "RecogniserConfig",
    "firered.asr.families.aed": "Asr",
    "firered.asr.families.speech_llm": "LlmAsr",
    "firered.asr.llm_config": "LlmConfig",
    "firered.asr.recogniser": "Encoded",
    "firered.audio.config": "AudioConfig",
    "firered.audio.like": "AudioLike Rxfilename",
    "firered.errors": "AudioError DataError FireRedError ModelError OptionError Outcome result_of",
    "firered.front": "load transcribe",
    "firered.lid.config": "LidConfig",
    "firered.lid.identify": "Lid",
    "firered.live.config": "LiveConfig",
    "firered.live.session": "LiveSession",
    "firered.live.system": "LiveSystem",
    "firered.punc.config": "PuncConfig",
    "firered.punc.punctuate": "Punc",
    "firered.results": "AlignResult Alignment AsrResult Event LanguageGuess LidResult MvadResult NBest PuncResult "
    "Result Seconds Sentence StreamEvent StreamFrame StreamVadResult TokenSpan TokenTime Transcript Trouble VadResult "
    "Word",
    "firered.results.live": "Final Partial",
    "firered.runtime.context": "Context",
    "firered.system.config": "SystemConfig",
    "firered.system.system": "System",
    "firered.vad.config": "MvadConfig StreamVadConfig VadConfig",
    "firered.vad.detect": "Mvad StreamVad Vad",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'firered' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
