"""FunASR's recognisers, Paraformer and SenseVoice, through its package funasr."""

import re
from typing import Any

import numpy as np

from firered.audio.framing import SAMPLE_RATE
from firered.errors import OptionError
from firered.peers.funasr_model import open_model, text_of

# What SenseVoice writes before its text: language, emotion, event, and whether numbers are written as spoken. The
# package's own rich_transcription_postprocess makes pictures of them and drops some words, so that it is not used.
_TAGS = re.compile(r"<\|[^|<>]*\|>")
SENSE_VOICE_LANGUAGES = ("zh", "en", "yue", "ja", "ko")


class Paraformer:
    """Utterance by utterance, with the package's defaults; it is a model of Mandarin and takes no language."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - funasr.AutoModel
        self._model = model

    def __call__(self, samples: np.ndarray, language: str | None) -> str:
        """The text of samples (n,)."""
        return text_of(self._model.generate(input=[samples], fs=SAMPLE_RATE))


class SenseVoice:
    """Utterance by utterance; numbers stay as they are spoken, as in references. Its tags are no part of the text."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model

    def __call__(self, samples: np.ndarray, language: str | None) -> str:
        """The text of samples (n,).

        Raises:
            OptionError: it does not know the language; the package would say nothing and guess one.
        """
        if language is not None and language not in SENSE_VOICE_LANGUAGES:
            raise OptionError(f"language: SenseVoice knows {', '.join(SENSE_VOICE_LANGUAGES)}, not {language}")
        found = self._model.generate(input=[samples], fs=SAMPLE_RATE, language=language or "auto", use_itn=False)
        return without_tags(text_of(found))


def without_tags(text: str) -> str:
    """The text without `<|zh|>`, `<|NEUTRAL|>`, `<|Speech|>`, `<|woitn|>` and their like."""
    return _TAGS.sub("", text).strip()


def load_paraformer(model: str | None, device: str) -> Paraformer:
    """The adapter of Paraformer; `model` is the directory of its weights."""
    return Paraformer(open_model(model, device))


def load_sense_voice(model: str | None, device: str) -> SenseVoice:
    """The adapter of SenseVoice; `model` is the directory of its weights."""
    return SenseVoice(open_model(model, device))
