"""What models take: an utterance's features, or its samples."""

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

    @property
    def full_scale(self) -> np.ndarray:
        """(n,) the same with full scale 1.0, which other libraries take."""
        return self.samples / np.float32(INT16_SCALE)
