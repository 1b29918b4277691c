"""Embeddings that are not drawn where there is nothing to draw: `Embedding`."""

from torch import nn


class Embedding(nn.Embedding):
    """An `nn.Embedding` whose weights stay as they are on the meta device, where a checkpoint is to fill them.

    To draw random numbers there torch imports its compiler, which takes longer than to load a small model.
    """

    def reset_parameters(self) -> None:
        """Draw weights as `nn.Embedding` does."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def draw(self, std: float) -> None:
        """Draw weights of a normal distribution, those of the padding too."""
        if not self.weight.is_meta:
            nn.init.normal_(self.weight, std=std)
