"""Dynamic int8 on the CPU: weights of linear layers in 8 bits with a scale a channel, activations with one a row."""

import torch
from torch import Tensor, nn


class Int8Weight:
    """A weight (O, I) in 8 bits, and its bias, in the layout of torch's CPU kernels."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        weight = weight.detach().float().contiguous()
        scales = weight.abs().amax(1).clamp_(min=1e-8).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        quantised = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(quantised, None)
        self._bias = None if bias is None else bias.detach().float()

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O), float32; batch-invariant: no row depends on the others."""
        rows = x.flatten(0, -2)
        largest = rows.abs().amax(1, keepdim=True).clamp_(min=1e-20)
        # The kernel takes one range for all rows. With each row scaled to 1, and a row that holds both 1 and -1 added,
        # that range is [-1, 1] whatever the batch.
        scaled = rows.new_zeros(len(rows) + 1, rows.shape[1])
        torch.div(rows, largest, out=scaled[:-1])
        scaled[-1, 0], scaled[-1, -1] = 1.0, -1.0
        # Activations in 7 bits: with 8 the 16-bit sums of processors without VNNI can overflow.
        y = torch.ops.quantized.linear_dynamic(scaled, self._packed, reduce_range=True)[:-1].mul_(largest)
        y = y if self._bias is None else y.add_(self._bias)
        return y.view(*x.shape[:-1], -1)


class Int8Linear(nn.Module):
    """A linear layer, or a convolution over one frame, in 8 bits, for inference."""

    def __init__(self, layer: nn.Linear | nn.Conv1d) -> None:
        super().__init__()
        self.weight = Int8Weight(layer.weight.flatten(1), layer.bias)
        self.bias = None  # it is inside the weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.weight(x)
