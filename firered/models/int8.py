"""Dynamic int8 on the processor: weights of linear layers in 8 bits a channel, activations quantised on the way."""

import torch
from torch import Tensor, nn


class Int8Weight:
    """A weight (O, I) in 8 bits, with its bias, in the layout of the processor's kernels."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        weight = weight.detach().float()
        scales = weight.abs().amax(1).clamp_(min=1e-8).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        packed = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if bias is None else bias.detach().float()
        self._packed = torch.ops.quantized.linear_prepack(packed, bias)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), float32; 7-bit activations where the kernels could overflow with 8."""
        return torch.ops.quantized.linear_dynamic(x, self._packed, reduce_range=True)


class Int8Linear(nn.Module):
    """Stands for a linear layer at inference."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = Int8Weight(layer.weight, layer.bias)
        self.bias = None  # it is inside the weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.weight(x)
