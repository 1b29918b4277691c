"""Dropout and SpecAugment with a strength that can change during training (FireRedASR paper, section 4)."""

import torch
from torch import Tensor, nn

from firered.train.config import ProgressiveConfig
from firered.train.data.config import SpecAugmentConfig


def set_dropout(model: nn.Module, rate: float) -> None:
    """Set every dropout rate of a model: of its layers, and of attention and LSTMs, which apply it themselves."""
    for name, module in model.named_modules():
        if "lora_dropout" in name:
            continue  # has a rate of its own
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = rate


class Progress:
    """The strength of regularisation, 0 to 1, in the course of training."""

    def __init__(self, config: ProgressiveConfig) -> None:
        self.config = config
        self.level = 0  # reached because the dev loss stalled
        self.best = float("inf")
        self.stalled = 0  # evaluations in a row without a lower dev loss

    def strength(self, step: int) -> float:
        """Share of full regularisation in a step."""
        config = self.config
        if config.by == "none":
            return 1.0
        if config.by == "stall":
            return self.level / config.levels
        since = step - config.start_step
        return 0.0 if since < 0 else min(1 + since // config.every_steps, config.levels) / config.levels

    def evaluated(self, loss: float) -> None:
        """Record a dev loss."""
        if loss < self.best:
            self.best, self.stalled = loss, 0
            return
        self.stalled += 1
        if self.stalled >= self.config.patience:
            self.level, self.stalled = min(self.level + 1, self.config.levels), 0

    def state(self) -> dict[str, float]:
        """The state for `restore`."""
        return {"level": self.level, "best": self.best, "stalled": self.stalled}

    def restore(self, state: dict[str, float]) -> None:
        """Resume from a state."""
        self.level, self.best, self.stalled = int(state["level"]), state["best"], int(state["stalled"])


def spec_augment(feats: Tensor, lengths: Tensor, config: SpecAugmentConfig, strength: float = 1.0) -> Tensor:
    """Normalised features (N, T, F) with frequency and time masks of zeros, their mean.

    Widths are uniform from 0 to the configured maximum times `strength`, positions uniform; each utterance has its own.
    """
    n, frames, bins = feats.shape
    hidden = torch.zeros(feats.shape, dtype=torch.bool)
    lengths = lengths.cpu()
    for _ in range(config.freq_masks):
        most = torch.full((n,), min(round(strength * config.freq_width), bins))
        hidden |= _spans(most, torch.full((n,), bins), bins)[:, None]
    for _ in range(config.time_masks):
        most = (lengths * config.time_ratio).long().clamp(max=config.time_width)
        hidden |= _spans((strength * most).round().long(), lengths, frames)[:, :, None]
    return feats.masked_fill(hidden.to(feats.device), 0.0)


def _spans(most: Tensor, room: Tensor, size: int) -> Tensor:
    """(N, size), True on one span of 0 to `most` places within the first `room` places of each row."""
    width = (torch.rand(len(most)) * (most + 1)).long()
    start = (torch.rand(len(most)) * (room - width + 1)).long()
    places = torch.arange(size)
    return (places >= start[:, None]) & (places < (start + width)[:, None])
