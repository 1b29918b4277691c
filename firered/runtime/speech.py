"""What models take: an utterance's features."""

from dataclasses import dataclass

import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.runtime.context import NO_CONTEXT, Context


@dataclass(frozen=True)
class Speech:
    """What models take: an utterance's filterbank (T, 80), not normalised, its duration in seconds, and its context."""

    key: str
    feats: Tensor
    duration_s: float
    context: Context = NO_CONTEXT

    @classmethod
    def of(cls, frames: Frames) -> "Speech":
        """The whole of what comes in blocks; raises what reading raises."""
        feats = torch.cat(list(frames))
        return cls(frames.key, feats, frames.duration_s)
