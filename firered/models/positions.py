"""Sinusoidal positions, absolute and relative."""

import math

import torch
from torch import Tensor, nn


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """(T, dim) float32 position vectors: sines on even, cosines on odd dimensions, wavelengths up to 2 pi 10000."""
    rates = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32, device=positions.device) * -(math.log(1e4) / dim))
    angles = positions.float()[:, None] * rates  # (T, dim / 2)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


class PositionTable(nn.Module):
    """Rows of sinusoids, computed to whatever length is asked for and kept for the next, shorter or equal, request.

    Published checkpoints store such tables as `pe`; the values are the same, the length is not limited here.
    """

    _STEP = 512  # rows to grow by at least

    def __init__(self, dim: int, *, relative: bool) -> None:
        super().__init__()
        self.dim, self.relative = dim, relative
        self._rows: Tensor | None = None

    def forward(self, length: int, like: Tensor) -> Tensor:
        """Rows on the device and in the type of `like`.

        Relative: (2 * length - 1, dim), positions length-1 down to -(length-1). Absolute: (length, dim), from 0 up.
        """
        rows = self._rows
        if rows is None or rows.device != like.device or rows.dtype != like.dtype or self._held(rows) < length:
            rows = self._rows = self._grow(length, like)
        if not self.relative:
            return rows[:length]
        center = self._held(rows) - 1
        return rows[center - length + 1 : center + length]

    def _held(self, rows: Tensor) -> int:
        return (len(rows) + 1) // 2 if self.relative else len(rows)

    def _grow(self, length: int, like: Tensor) -> Tensor:
        length = -(-length // self._STEP) * self._STEP
        # A table made while decoding must serve training later, where tensors of inference mode are refused.
        with torch.inference_mode(False), torch.no_grad():
            return self.released(length, like.device).to(like.dtype)

    def released(self, length: int, device: torch.device | str = "cpu") -> Tensor:
        """The table as checkpoints store it, less the leading axis: float32, for positions below `length`."""
        if self.relative:
            return sinusoids(torch.arange(length - 1, -length, -1, device=device), self.dim)
        return sinusoids(torch.arange(length, device=device), self.dim)


def table_names(network: nn.Module) -> list[str]:
    """The names of the tables of a network: some checkpoints store what it computes."""
    return [f"{name}.pe" for name, module in network.named_modules() if isinstance(module, PositionTable)]
