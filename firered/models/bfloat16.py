"""bfloat16 on CPUs: whether this one computes in it, and linear layers for those that only emulate it."""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.processor import cpu_flags

_MAX_ROWS = 3  # up to so many rows, reading the weight takes the time and torch's emulation is as fast
_SLICE = 512  # rows of a weight in float32 at a time: they stay in the cache


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies in bfloat16: AVX-512 BF16 or AMX, or Arm's bf16."""
    return not cpu_flags(cpuinfo).isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})


class WidenedLinear(nn.Module):
    """A linear layer with bfloat16 weights, for inference, that multiplies many rows in float32.

    Emulated bfloat16 is about three times slower than float32, and the weights converted all at once would take twice
    the memory: they are converted slice by slice.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), both bfloat16."""
        rows = x.flatten(0, -2)
        if len(rows) <= _MAX_ROWS:
            return F.linear(x, self.weight, self.bias)
        wide, out = rows.float(), x.new_empty(len(rows), len(self.weight))
        for first in range(0, len(self.weight), _SLICE):
            part = slice(first, first + _SLICE)
            bias = None if self.bias is None else self.bias[part].float()
            out[:, part] = F.linear(wide, self.weight[part].float(), bias)
        return out.view(*x.shape[:-1], -1)


def widen(model: nn.Module) -> None:
    """Replace every linear layer by a WidenedLinear; the weights are not copied."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(parent, name, WidenedLinear(layer))
