"""Weights in 8 bits as they are stored: a whole number for each, and a scale for each row."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_AT_ONCE = 1 << 20  # weights
_LARGEST, _LEAST = 127, 1e-8  # of the whole numbers; of a row's largest weight


class Rows(NamedTuple):
    """A weight (O, I) as `values` times `scales`."""

    values: Tensor  # (O, I) int8
    scales: Tensor  # (O,) float64

    @classmethod
    def of(cls, weight: Tensor) -> "Rows":
        """The nearest numbers of a weight (O, I); each row's largest becomes 127."""
        values = torch.empty(weight.shape, dtype=torch.int8)
        scales = torch.empty(len(weight), dtype=torch.float64)
        step = max(1, _AT_ONCE // max(1, weight.shape[1]))
        room = torch.empty(min(step, len(weight)), weight.shape[1])
        for first in range(0, len(weight), step):  # parts that stay in the cache
            own = weight[first : first + step].detach().float()
            held = room[: len(own)]
            scale = torch.abs(own, out=held).amax(1).clamp_(min=_LEAST).double() / _LARGEST
            # By the inverse in single precision, as torch.quantize_per_channel does.
            values[first : first + step] = torch.mul(own, scale.float().reciprocal()[:, None], out=held).round_()
            scales[first : first + step] = scale
        return cls(values, scales)

    @classmethod
    def joined(cls, parts: "Sequence[Rows]") -> "Rows":
        """Several weights as one, their rows one after the other."""
        return cls(torch.cat([part.values for part in parts]), torch.cat([part.scales for part in parts]))

    def quantised(self) -> Tensor:
        """The same as torch's quantised tensor, as its kernels take it."""
        zeros = torch.zeros(len(self.scales), dtype=torch.long)
        return torch._make_per_channel_quantized_tensor(self.values, self.scales, zeros, 0)
