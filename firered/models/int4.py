"""Weights of linear layers in 4 bits, on the processor: 16 levels between the least and the largest of each group."""

import torch
from torch import Tensor, nn

GROUP = 32  # weights of a row that have a scale of their own
_LEVELS, _MIDDLE, _LEAST = 15, 8, 1e-6
_ROWS = 16  # the kernel takes a multiple of so many
_ROWS_AT_ONCE = 1024  # packed: the kernel has them in blocks of 64, so that packed parts side by side are the whole


def fits_int4(rows: int, columns: int) -> bool:
    """Whether the kernel takes a weight of this shape."""
    return rows % _ROWS == 0 and columns % GROUP == 0


def _packed(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of a weight (N, I) as the kernel takes them, and (I / GROUP, N, 2) scales and zeros.

    The weight is (level - 8) * scale + zero.
    """
    groups = weight.float().unflatten(1, (-1, GROUP))  # (N, I / GROUP, GROUP)
    least, largest = groups.aminmax(dim=2)
    scales = ((largest - least) / _LEVELS).clamp_(min=_LEAST).bfloat16().float()  # as they are stored
    zeros = (least + _MIDDLE * scales).bfloat16().float()
    levels = ((groups - zeros[..., None]) / scales[..., None] + _MIDDLE).round_().clamp_(0, _LEVELS)
    whole = levels.to(torch.int32).flatten(1)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(whole, 1)
    return packed, torch.stack([scales, zeros], -1).transpose(0, 1).bfloat16().contiguous()


class Int4Linear(nn.Module):
    """A linear layer with its weight in 4 bits (5 with scales), for inference; batch-invariant.

    It computes in bfloat16. Reading the weight takes the time of a step of a few rows; of many rows each costs as much
    again, so that prompts are slower than in bfloat16.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        parts = [_packed(part) for part in weight.detach().split(_ROWS_AT_ONCE)]
        self._packed = torch.cat([packed for packed, _ in parts])
        self._scales = torch.cat([scales for _, scales in parts], 1)  # (I / GROUP, O, 2)
        self._bias = None if bias is None else bias.detach().float()

    @property
    def nbytes(self) -> int:
        """Bytes of the weight."""
        return self._packed.nbytes + self._scales.nbytes

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), in the number format of x."""
        rows = x.reshape(-1, x.shape[-1]).bfloat16()
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self._packed, GROUP, self._scales)
        y = y if self._bias is None else y.float() + self._bias
        return y.to(x.dtype).view(*x.shape[:-1], -1)
