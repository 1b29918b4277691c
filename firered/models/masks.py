"""Padding masks."""

import torch
from torch import Tensor


def padding_mask(lengths: Tensor, size: int) -> Tensor | None:
    """(N, size), True on padding; None where nothing is padded (the test waits for the device once).

    An utterance of no frames keeps one: attention over nothing would be NaN.
    """
    lengths = lengths.clamp(min=1)
    if int(lengths.min()) >= size:
        return None
    return torch.arange(size, device=lengths.device) >= lengths[:, None]


def key_bias(padding: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """(N, 1, 1, T) to be added to attention scores: -inf on padding, 0 elsewhere; None for None."""
    if padding is None:
        return None
    bias = torch.zeros(padding.shape, dtype=dtype, device=padding.device)
    return bias.masked_fill_(padding, -torch.inf)[:, None, None]
