"""Frames of a batch of utterances: padded to the longest, or packed one behind the other."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.chunks import Chunk
from firered.models.masks import chunk_bias, key_bias, padding_mask

_ENOUGH = 256  # frames of a group: with so many, products take their full speed
# Sizes are rounded up to multiples of it: oneDNN keeps code for each size that it meets, up to hundreds of MB.
GRID = 32


class Frames(NamedTuple):
    """Which frames are whose."""

    sizes: list[int] | None  # of utterances that are packed; None: padded
    padding: Tensor | None = None  # (N, T), True on padded frames; None: there are none
    # (N, 1, 1, T), or (N, 1, T, T) with chunks, to be added to scores of attention: -inf on what is not seen
    keys: Tensor | None = None
    chunk: Chunk | None = None  # of utterances that are packed

    @classmethod
    def padded(cls, lengths: Tensor, x: Tensor, chunk: Chunk | None = None) -> "Frames":
        """Those of utterances of these lengths (N,) in x (N, T, ...); with chunks, these are all that is seen."""
        padding = padding_mask(lengths, x.shape[1])
        keys = key_bias(padding, x.dtype) if chunk is None else chunk_bias(chunk, x.shape[1], padding, x)
        return cls(None, padding, keys)

    @classmethod
    def packed(cls, sizes: list[int], chunk: Chunk | None = None) -> "Frames":
        """Those of utterances of these sizes in x (1, sum of sizes, ...), the last what fills the grid."""
        beyond = beyond_grid(sum(sizes))
        return cls([*sizes, beyond] if beyond else sizes, chunk=chunk)

    def split(self, x: Tensor) -> Sequence[Tensor]:
        """Each utterance's of what is packed; all of what is padded."""
        return [x] if self.sizes is None else x.split(self.sizes, 1)

    def each(self, table: Tensor, size: int) -> Tensor:
        """(T, ...) rows of a table of positions (from 0 up) for each frame of x (N, T, ...)."""
        if self.sizes is None:
            return table[:size]
        return torch.cat([table[:own] for own in self.sizes])

    def bias(self, q: Tensor) -> Tensor | None:
        """What is added to the scores of the queries (N, T, H, d_k) of one part; None: nothing."""
        return self.keys if self.chunk is None else chunk_bias(self.chunk, q.shape[1], None, q)


class Group(NamedTuple):
    """Utterances that are computed at once."""

    first: int  # of the batch
    sizes: list[int]  # frames of each of them


def packed_groups(lengths: Sequence[int], rate: int) -> list[Group]:
    """Utterances of these lengths in groups of so many frames that products take their full speed.

    Memory beyond that of a group does not depend on the batch. A frame is of `rate` of the lengths' units; an utterance
    of none has one.
    """
    groups: list[Group] = []
    for index, length in enumerate(lengths):
        size = max(1, -(-length // rate))
        if groups and sum(groups[-1].sizes) + size <= 2 * _ENOUGH and sum(groups[-1].sizes) < _ENOUGH:
            groups[-1].sizes.append(size)
        else:
            groups.append(Group(index, [size]))
    return groups


def beyond_grid(size: int) -> int:
    """How much more makes a size one of the grid."""
    return -size % GRID


def linear_on_grid(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A linear layer on (N, T, I), where products in bfloat16 on a processor get a number of rows from few."""
    if x.dtype != torch.bfloat16 or not computes_packed(x):
        return layer(x)
    rows = x.flatten(0, 1)
    return layer(F.pad(rows, (0, 0, 0, -len(rows) % (8 * GRID))))[: len(rows)].unflatten(0, x.shape[:2])


def computes_packed(x: Tensor) -> bool:
    """Whether frames are packed: at inference on a processor, which gains nothing by equal lengths."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()
