"""Chunks of a stream: what attention sees of it (`Chunk`), and which ones training draws (`ChunkPlan`).

Dynamic chunks: Zhang et al., Unified streaming and non-streaming (U2), 2020; Wu et al., U2++, 2021; settings of WeNet.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

DYNAMIC, FULL = "dynamic", "full"
ALL = "all"
_LONGEST = 25  # frames of a drawn chunk at most
_FULL_SHARE = 0.5  # of the batches see everything


@dataclass(frozen=True)
class Chunk:
    """A frame sees its own chunk of `size` encoder frames and `left` chunks before it; None: all of them."""

    size: int
    left: int | None = None

    @property
    def past(self) -> int | None:
        """Frames before a chunk that it sees; None: all."""
        return None if self.left is None else self.left * self.size

    def hidden(self, frames: int, device: torch.device | None = None) -> Tensor:
        """(T, T) bool, True where a frame (row) does not see another (column)."""
        own = torch.arange(frames, device=device) // self.size
        before = own[:, None] - own  # how many chunks before one's own
        hidden = before < 0
        return hidden if self.left is None else hidden | (before > self.left)


@dataclass(frozen=True)
class ChunkPlan:
    """What a training draws for a batch.

    Attributes:
        sizes: `dynamic`, as U2++: half of the batches see everything, the others have chunks of 1 to 25 frames with
            equal chances; or numbers of frames with equal chances between blanks, among which `full` is everything.
        left: `all`, or `dynamic`: any number of the chunks before, none included.
    """

    sizes: str
    left: str = ALL

    def __post_init__(self) -> None:
        """Raise ValueError where this is no such plan."""
        if self.sizes != DYNAMIC:
            parts = self.sizes.split()
            if not parts or not all(part == FULL or (part.isdecimal() and int(part) > 0) for part in parts):
                raise ValueError(f"{self.sizes!r} is neither {DYNAMIC} nor numbers of frames and `{FULL}`")
        if self.left not in (ALL, DYNAMIC):
            raise ValueError(f"left chunks {self.left!r} are neither {ALL} nor {DYNAMIC}")

    @property
    def has_chunks(self) -> bool:
        """Whether there are any chunks but everything."""
        return any(part != FULL for part in self.sizes.split())

    def draw(self, frames: int) -> Chunk | None:
        """The chunks of a batch of so many encoder frames; None: everything. By torch's random numbers."""
        size = self._size()
        if size is None or self.left == ALL:
            return None if size is None else Chunk(size)
        before = max(0, frames - 1) // size  # chunks before the last one
        return Chunk(size, _below(before + 1))

    def _size(self) -> int | None:
        if self.sizes == DYNAMIC:
            return None if float(torch.rand(())) < _FULL_SHARE else 1 + _below(_LONGEST)
        parts = self.sizes.split()
        drawn = parts[_below(len(parts))]
        return None if drawn == FULL else int(drawn)


def _below(count: int) -> int:
    return int(torch.randint(count, ()))
