"""FunASR's FSMN-VAD, through the AutoModel of its package funasr."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from firered.audio.framing import SAMPLE_RATE
from firered.errors import ModelError
from firered.peers import VadAnswer
from firered.peers.funasr_model import open_model


class Fsmn:
    """Segments by the package's own rules and defaults; it gives no posteriors."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - funasr.AutoModel
        self._model = model

    def __call__(self, samples: np.ndarray) -> VadAnswer:
        """The answer for one recording (n,)."""
        found: Sequence[Mapping[str, Any]] = self._model.generate(input=samples, fs=SAMPLE_RATE)
        return VadAnswer(None, [_seconds(span) for part in found for span in part["value"]])


def _seconds(span: Sequence[float]) -> tuple[float, float]:
    """Start and end of a segment in seconds; raises ModelError where the model left it open."""
    start_ms, end_ms = span
    if not 0 <= start_ms <= end_ms:  # -1 stands for an end that is not there yet, in its streaming form
        raise ModelError(f"fsmn-vad gave a segment from {start_ms} to {end_ms} ms")
    return start_ms / 1000, end_ms / 1000


def load(model: str | None, device: str) -> Fsmn:
    """The adapter; `model` is the directory of its weights."""
    return Fsmn(open_model(model, device))
