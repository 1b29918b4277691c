"""Products with weights in 8 bits by the kernels that the processor has; no row of a product depends on the others."""

from typing import Protocol

import torch
from torch import Tensor

from firered.models.processor import cpu_flags
from firered.models.rows import Rows

_VNNI = {"avx512_vnni", "avx_vnni"}  # their sums of products of 8 bits have 32 bits; without them they may overflow 16
_LEAST = 1e-20  # of a row's largest number
_BLOCK = 512  # rows at a time: what is prepared of them stays in the cache


class Product(Protocol):
    """A weight (O, I) and its bias in the layout of a kernel."""

    def __call__(self, rows: Tensor) -> Tensor:
        """(R, I) -> (R, O), float32."""
        ...


def product_of(weight: Rows, bias: Tensor | None, *, many_rows: bool) -> Product:
    """The kernel that is fastest here, for many rows at once or for the few of a decoder's step.

    Of many rows oneDNN's kernel is the faster by a sixth, of few FBGEMM's. Without VNNI both would add in 16 bits,
    which overflow: FBGEMM's is used there, with activations of 7 bits.
    """
    if cpu_flags().isdisjoint(_VNNI):
        return FewRows(weight, bias, steps=63)
    return ManyRows(weight, bias) if many_rows and torch.backends.mkldnn.is_available() else FewRows(weight, bias)


class FewRows:
    """FBGEMM's kernel, which quantises, multiplies and scales in one call.

    Args:
        weight: (O, I).
        bias: (O,) or None.
        steps: of an activation from 0 to the row's largest.
    """

    def __init__(self, weight: Rows, bias: Tensor | None, steps: int = 127) -> None:
        self._packed = torch.ops.quantized.linear_prepack(weight.quantised(), None)
        self._bias, self._steps = bias, steps

    def __call__(self, rows: Tensor) -> Tensor:
        """(R, I) -> (R, O), float32."""
        largest = rows.abs().amax(1, keepdim=True).clamp_(min=_LEAST)
        # The kernel takes one scale for all rows: that of rows whose largest number is 1.
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        y = product(rows / largest, 1 / self._steps, self._steps + 1, self._packed)
        return _scaled(y, largest, self._bias, y)


class ManyRows:
    """oneDNN's kernel, on rows quantised before, in blocks.

    Args:
        weight: (O, I).
        bias: (O,) or None.
    """

    def __init__(self, weight: Rows, bias: Tensor | None) -> None:
        self._packed = torch.ops.onednn.qlinear_prepack(weight.values, None)
        self._scales = weight.scales.float()
        self._zeros = torch.zeros(len(weight.scales), dtype=torch.int32)
        self._bias = bias

    def __call__(self, rows: Tensor) -> Tensor:
        """(R, I) -> (R, O), float32."""
        if len(rows) <= _BLOCK:
            return self._block(rows)
        out = torch.empty(len(rows), len(self._scales))
        for own, into in zip(rows.split(_BLOCK), out.split(_BLOCK), strict=True):
            self._block(own, into)
        return out

    def _block(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        largest = torch.maximum(
            rows.amax(1, keepdim=True), rows.amin(1, keepdim=True).neg_()
        )  # no copy, as abs() makes
        steps = largest.clamp_(min=_LEAST).mul_(1 / 127)
        given = _bytes(torch.quantize_per_tensor(rows / steps, 1.0, 128, torch.quint8))
        y = torch.ops.onednn.qlinear_pointwise(
            given, 1.0, 128, self._packed, self._scales, self._zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return _scaled(y, steps, self._bias, y if out is None else out)


def _bytes(quantised: Tensor) -> Tensor:
    """The numbers of a quantised tensor where they lie; `int_repr` copies them, three times slower than quantising."""
    numbers = torch.empty(0, dtype=torch.uint8)
    return numbers.set_(quantised.untyped_storage(), 0, quantised.shape, quantised.stride())


def _scaled(y: Tensor, scales: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """Scale each row, and add the bias."""
    return torch.mul(y, scales, out=out) if bias is None else torch.addcmul(bias, y, scales, out=out)
