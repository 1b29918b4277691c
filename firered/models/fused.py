"""Attention's projections fused into one layer for inference, and products of few rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from firered.models.int8 import Int8Weight

FusedWeights = tuple[Tensor | Int8Weight, Tensor | None]  # weight (O, I) and bias (O,)

Network = TypeVar("Network", bound=nn.Module)
Fused = TypeVar("Fused", bound="FusedAttention")


class FusedAttention(nn.Module, ABC):
    """An attention that can keep its projections of queries, keys and values as one layer, faster at inference.

    The fused weights are no part of the state dict. They are computed on first use after `prepare`, and dropped
    whenever the weights may change or move: on `train()`, on loading, on `to()`. Code that changes weights in another
    way calls `prepare` again.
    """

    PROJECTIONS: ClassVar[tuple[str, ...]] = ("w_qs", "w_ks", "w_vs")
    folds: ClassVar[bool] = False  # the fused layer is not the projections side by side: there is more in it

    def __init__(self, *, given_the_same: bool = True) -> None:
        super().__init__()
        self.given_the_same = given_the_same  # queries, keys and values are of the same input
        self._fusing = False
        self._fused: FusedWeights | None = None

    @abstractmethod
    def fuse(self) -> tuple[Tensor, Tensor]:
        """Weight (3d, d) and bias (3d,) of the three projections as one layer, from the weights as they are."""

    @property
    def in_int8(self) -> bool:
        """Whether the fused weights are in 8 bits, which there is no other form of."""
        return self._fused is not None and isinstance(self._fused[0], Int8Weight)

    def fused(self) -> FusedWeights | None:
        """The fused weights; None in training, where gradients are computed, and before `prepare`."""
        if self.in_int8:
            return self._fused  # there are no others
        if not self._fusing or self.training or torch.is_grad_enabled():
            return None
        if self._fused is None:
            self._fused = self.fuse()
        return self._fused

    def set_fused(self, weights: FusedWeights) -> None:
        """Use these weights in place of what `fuse` would give."""
        self._fusing, self._fused = True, weights

    def enable_fusing(self) -> None:
        """Use fused weights from now on, computed anew."""
        self._fusing, self._fused = True, None

    def train(self: Fused, mode: bool = True) -> Fused:
        """Switch to training, or to evaluation; training drops the fused weights."""
        self._fused = None if mode else self._fused
        return super().train(mode)

    def _apply(self: Fused, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Fused:
        if not self.in_int8:
            self._fused = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - torch's own signature
        if not self.in_int8:
            self._fused = None
        super()._load_from_state_dict(*args, **kwargs)


def prepare(model: Network) -> Network:
    """The model in evaluation mode, its attention projections fused for inference under `no_grad`/`inference_mode`.

    Costs memory for the fused copies (at size L 0.7 GB in float32 for encoder and decoder). The state dict stays as it
    is, and `train()` undoes it.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, FusedAttention) and not module.in_int8:
            module.enable_fusing()
    return model


_MAX_ROWS, _SLICE = 32, 128


def few_rows(x: Tensor, weight: Tensor | Int8Weight, bias: Tensor | None) -> Tensor:
    """(rows, O) = x @ weight.T + bias for x (rows, I) with so few rows that reading the weights takes the time.

    In float32 on the CPU, the library's product of 2 to 8 rows runs on one thread and reads the weights once a row.
    Cut into slices of the output, the same product is a batch of small ones, shared out among threads and read once:
    measured 2 to 3 times faster at 3 rows and level at 32.
    """
    if isinstance(weight, Int8Weight):
        return weight(x)
    out = weight.shape[0]
    slices = out // _SLICE
    small = x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[0] <= _MAX_ROWS and slices > 1
    if not small or torch.is_grad_enabled():
        return nn.functional.linear(x, weight, bias)
    width = out // slices
    whole = slices * width
    parts = weight[:whole].view(slices, width, -1).transpose(1, 2)  # (slices, I, width), nothing moves
    y = torch.bmm(x.expand(slices, *x.shape), parts).transpose(0, 1).flatten(1)  # (rows, whole)
    if whole < out:
        y = torch.cat([y, x @ weight[whole:].t()], 1)
    return y if bias is None else y.add_(bias)
