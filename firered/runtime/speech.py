"""What models take: an utterance's features, or its samples."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.load import INT16_SCALE
from firered.runtime.context import Context


@dataclass(frozen=True)
class Speech:
    """What models take: an utterance's filterbank (T, bins), not normalised, its duration in seconds, and its context.

    `front_end` says what the filterbank is; it may be the samples themselves.
    """

    key: str
    feats: Tensor
    duration_s: float
    context: Context = field(default_factory=Context)
    front_end: FrontEnd = PUBLISHED

    @classmethod
    def of(cls, frames: Frames, context: Context | None = None) -> "Speech":
        """All frames of an utterance in memory, with its context; raises what reading the frames raises."""
        feats = torch.cat(list(frames))
        return cls(frames.key, feats, frames.duration_s, context or Context(), frames.front_end)

    @property
    def samples(self) -> np.ndarray:
        """(n,) the samples of a front end of plain samples, on the int16 scale; without the zeros of the last frame."""
        if not self.front_end.plain:
            raise ValueError(f"{self.key}: there are features, no samples")
        return self.feats.flatten()[: round(self.duration_s * SAMPLE_RATE)].numpy()


@dataclass(frozen=True)
class Sound:
    """What models of other libraries take: samples (n,), mono, 16 kHz, full scale 1.0, and the utterance's context."""

    key: str
    samples: np.ndarray
    duration_s: float
    context: Context = field(default_factory=Context)

    @classmethod
    def of(cls, key: str, blocks: Iterable[np.ndarray], context: Context | None = None) -> "Sound":
        """All samples of an utterance in memory, from blocks on the int16 scale; raises what reading them raises."""
        samples = np.concatenate(list(blocks)).astype(np.float32) / np.float32(INT16_SCALE)
        return cls(key, samples, len(samples) / SAMPLE_RATE, context or Context())
