"""Masks of padding, and of what lies outside of chunks."""

import torch
from torch import Tensor

from firered.models.chunks import Chunk


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


def chunk_bias(chunk: Chunk, size: int, padding: Tensor | None, like: Tensor) -> Tensor:
    """(N or 1, 1, T, T) to be added to attention scores: -inf where a frame does not see another, 0 elsewhere.

    Padded frames, whose results have no meaning, see each other: attention over nothing would be NaN.
    """
    hidden = chunk.hidden(size, like.device)[None]
    if padding is not None:
        hidden = hidden | (padding[:, None] & ~padding[:, :, None])
    bias = torch.zeros(hidden.shape, dtype=like.dtype, device=like.device)
    return bias.masked_fill_(hidden, -torch.inf)[:, None]
