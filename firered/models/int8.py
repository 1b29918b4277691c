"""Dynamic int8 on the CPU: weights of linear layers in 8 bits with a scale a channel, activations with one a row."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from firered.models.int8_products import product_of
from firered.models.rows import Rows


class Int8Weight:
    """A weight (O, I) in 8 bits, and its bias, in the layout of torch's CPU kernels.

    Args:
        weight: (O, I).
        bias: (O,) or None.
        many_rows: it is for many rows at a time, as an encoder's, not for the few of a decoder's steps.
    """

    def __init__(self, weight: Tensor | Rows, bias: Tensor | None, *, many_rows: bool = False) -> None:
        rows = weight if isinstance(weight, Rows) else Rows.of(weight)
        self._product = product_of(rows, None if bias is None else bias.detach().float(), many_rows=many_rows)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), float32; batch-invariant: no row depends on the others."""
        return self._product(x.flatten(0, -2)).view(*x.shape[:-1], -1)


class Int8Linear(nn.Module):
    """A linear layer, or a convolution over one frame, in 8 bits, for inference."""

    def __init__(self, weight: Int8Weight) -> None:
        super().__init__()
        self.weight = weight
        self.bias = None  # it is inside the weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.weight(x)


class _Joined:
    """Layers that are given the same, computed at once when the first of them is called."""

    def __init__(self, weight: Int8Weight) -> None:
        self._weight = weight
        # What was given last, and what came of it: one tuple, so that of two threads none takes the other's.
        self._held: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, part: slice, last: bool) -> Tensor:
        held = self._held
        if held is None or held[0] is not x:
            held = x, self._weight(x)
        self._held = None if last else held
        return held[1][..., part]


class Int8Part(nn.Module):
    """One of several linear layers that are given the same and are called in turn, in 8 bits, for inference."""

    def __init__(self, joined: _Joined, part: slice, last: bool) -> None:
        super().__init__()
        self._joined, self._part, self._last = joined, part, last

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self._joined(x, self._part, self._last)


def parts_of(weight: Int8Weight, sizes: Sequence[int]) -> list[Int8Part]:
    """Linear layers whose weights lie in one, so that what they are given is quantised once.

    They are given the same, one call after the other in this order.

    Args:
        weight: of all of them.
        sizes: how many rows of it are each layer's.
    """
    joined, parts, first = _Joined(weight), [], 0
    for index, size in enumerate(sizes):
        parts.append(Int8Part(joined, slice(first, first + size), index == len(sizes) - 1))
        first += size
    return parts
