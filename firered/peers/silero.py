"""Silero VAD, through its package silero-vad: the weights come with it."""

from typing import Any

import numpy as np
import torch

from firered.audio.framing import SAMPLE_RATE
from firered.errors import OptionError
from firered.peers import VadAnswer
from firered.peers.posteriors import held

HOP = 512  # samples of a posterior at 16 kHz


class _Noting:
    """The package's model, which notes the posteriors that it gives, so that it need not run twice."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a scripted module
        self._model = model
        self.posteriors: list[float] = []

    def __call__(self, chunk: torch.Tensor, rate: int) -> torch.Tensor:
        found = self._model(chunk, rate)
        self.posteriors.append(float(found))
        return found

    def reset_states(self) -> None:
        self._model.reset_states()
        self.posteriors.clear()


class Silero:
    """Posteriors as the model gives them, held over our frames; segments by the package's own rules and defaults."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = _Noting(model)

    def __call__(self, samples: np.ndarray) -> VadAnswer:
        """The answer for one recording (n,)."""
        from silero_vad import get_speech_timestamps

        found = get_speech_timestamps(torch.from_numpy(samples), self._model, sampling_rate=SAMPLE_RATE)
        segments = [(part["start"] / SAMPLE_RATE, part["end"] / SAMPLE_RATE) for part in found]
        return VadAnswer(held(np.array(self._model.posteriors), HOP, len(samples)), segments)


def load(model: str | None, device: str) -> Silero:
    """The adapter; it runs on the processor, as its authors mean it to.

    Raises:
        OptionError: other weights are asked for.
    """
    if model is not None:
        raise OptionError("model: silero-vad has the weights of its package only; install another version of it")
    from silero_vad import load_silero_vad

    return Silero(load_silero_vad())
