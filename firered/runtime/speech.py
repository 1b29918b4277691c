"""What models take: an utterance's features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from firered.audio.frames import Frames


@dataclass(frozen=True)
class Speech:
    """What models take: an utterance's filterbank (T, 80), not normalised, and its duration in seconds."""

    key: str
    feats: Tensor
    duration_s: float

    @classmethod
    def of(cls, frames: Frames) -> "Speech":
        """The whole of what comes in blocks; raises what reading raises."""
        feats = torch.cat(list(frames))
        return cls(frames.key, feats, frames.duration_s)
