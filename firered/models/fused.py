"""What the Conformer encoder and the Transformer decoder share: positions, masks, and weights derived for inference."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from firered.models.int8 import Int8Weight


class Derived(nn.Module, ABC):
    """A module that can keep tensors computed from its own weights, to be faster at inference.

    They are no part of the state dict. They are made on first use after `prepare`, and forgotten whenever the weights
    may change or move: on `train()`, on loading, on `to()`. Who changes weights otherwise calls `prepare` again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wanted = False
        self._made: tuple[Tensor, ...] | None = None

    @abstractmethod
    def derive(self) -> tuple[Tensor, ...]:
        """What to keep, from the weights as they are."""

    def derived(self) -> tuple[Tensor, ...] | None:
        """What was derived; None in training, where gradients are wanted, and before `prepare`."""
        if not self._wanted or self.training or torch.is_grad_enabled():
            return None
        if self._made is None:
            self._made = self.derive()
        return self._made

    def keep(self, made: tuple) -> None:
        """Use these in place of what `derive` would give."""
        self._wanted, self._made = True, made

    def want(self) -> None:
        """Keep derived weights from now on."""
        self._wanted, self._made = True, None

    def train(self, mode: bool = True) -> "Derived":
        """Switch to training, or to evaluation; training forgets what was derived."""
        self._made = None if mode else self._made
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Derived":
        self._made = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - torch's own signature
        self._made = None
        super()._load_from_state_dict(*args, **kwargs)


def prepare(model: nn.Module) -> nn.Module:
    """The model in evaluation mode, its attention projections fused for inference under `no_grad`/`inference_mode`.

    Costs memory for the fused copies (at size L 0.7 GB in float32 for encoder and decoder). The state dict stays as it
    is, and `train()` undoes it.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, Derived):
            module.want()
    return model


_FEW, _SLICE = 32, 128


def few_rows(x: Tensor, weight: "Tensor | Int8Weight", bias: Tensor | None) -> Tensor:
    """(rows, O) = x @ weight.T + bias for x (rows, I), where rows are so few that reading the weights is the work.

    In float32 on a processor, the library's product of 2 to 8 rows runs on one thread and reads the weights once a row.
    Cut into slices of the output, the same product is a batch of small ones, shared out among threads and read once:
    measured 2 to 3 times faster at 3 rows and level at 32.
    """
    if isinstance(weight, Int8Weight):
        return weight(x)
    out = weight.shape[0]
    slices = out // _SLICE
    small = x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[0] <= _FEW and slices > 1
    if not small or torch.is_grad_enabled():
        return nn.functional.linear(x, weight, bias)
    width = out // slices
    whole = slices * width
    parts = weight[:whole].view(slices, width, -1).transpose(1, 2)  # (slices, I, width), nothing moves
    y = torch.bmm(x.expand(slices, *x.shape), parts).transpose(0, 1).flatten(1)  # (rows, whole)
    if whole < out:
        y = torch.cat([y, x @ weight[whole:].t()], 1)
    return y if bias is None else y.add_(bias)
