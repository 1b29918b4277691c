"""Dynamic int8 on the processor: weights of linear layers in 8 bits a channel, activations quantised on the way."""

import torch
from torch import Tensor, nn


class Int8Weight:
    """A weight (O, I) in 8 bits, and its bias, in the layout of the processor's kernels."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        weight = weight.detach().float().contiguous()
        scales = weight.abs().amax(1).clamp_(min=1e-8).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        quantised = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(quantised, None if bias is None else bias.detach().float())

    def __call__(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), float32."""
        # Activations in 7 bits: with 8 the 16-bit sums of processors without VNNI can overflow.
        return torch.ops.quantized.linear_dynamic(x, self._packed, reduce_range=True)


class Int8Linear(nn.Module):
    """Stands for a linear layer, or for a convolution over one frame, at inference."""

    def __init__(self, layer: nn.Linear | nn.Conv1d) -> None:
        super().__init__()
        self.weight = Int8Weight(layer.weight.flatten(1), layer.bias)
        self.bias = None  # it is inside the weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.weight(x)
