"""Where the keys and values of a tree of prefixes lie: `PrefixSlots`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NewRows:
    """M new prefixes of N utterances, R of one at most; the first utterance's come first.

    Attributes:
        tokens: (M,) the last token of each.
        depths: (M,) tokens before that.
        owners: (M,) the utterance of each.
        slots: (M,) where in its utterance's pool its key and value go.
        places: (M,) which of its utterance's new prefixes it is.
        seen: (N, R, S) which slots each attends to; rows that are no prefix attend to slot 0.
    """

    tokens: Tensor
    depths: Tensor
    owners: Tensor
    slots: Tensor
    places: Tensor
    seen: Tensor

    def spread(self, rows: Tensor) -> Tensor:
        """(M, D) -> (N, R, D); zeros where there is no prefix."""
        n, size, _ = self.seen.shape
        if len(rows) == n * size:
            return rows.view(n, size, -1)
        out = rows.new_zeros(n, size, rows.shape[1])
        out[self.owners, self.places] = rows
        return out

    def gather(self, spread: Tensor) -> Tensor:
        """(N, R, D) -> (M, D)."""
        return spread.flatten(0, 1) if len(self.owners) == spread.shape[0] * spread.shape[1] else self._picked(spread)

    def _picked(self, spread: Tensor) -> Tensor:
        return spread[self.owners, self.places]

    def put(self, pool: Tensor, rows: Tensor) -> None:
        """Write (M, H, d_k) into a pool (N, H, room, d_k)."""
        pool[self.owners, :, self.slots] = rows


class PrefixSlots:
    """Prefixes of N utterances; prefix i of an utterance lies in slot i of its pool, and attends to its ancestors."""

    def __init__(self, utterances: int, device: torch.device) -> None:
        self._device = device
        self._depths: list[list[int]] = [[] for _ in range(utterances)]
        self._seen = torch.zeros(utterances, 0, 0, dtype=torch.bool)  # on the processor, where it is made row by row

    @property
    def used(self) -> int:
        """Slots of the utterance that has most."""
        return max(map(len, self._depths), default=0)

    def add(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> NewRows:
        """Slots for new prefixes of each utterance; see `firered.search.drafts.PrefixModel.extend`."""
        firsts = [len(depths) for depths in self._depths]
        counts = [len(own) for own in tokens]
        self._make_room(max(first + count for first, count in zip(firsts, counts, strict=True)))
        for depths, seen, own in zip(self._depths, self._seen, parents, strict=True):
            for parent in own:
                slot = len(depths)
                depths.append(depths[parent] + 1 if parent >= 0 else 0)
                if parent >= 0:
                    seen[slot] = seen[parent]
                seen[slot, slot] = True
        size, used = max(counts), self.used
        seen = torch.zeros(len(counts), size, used, dtype=torch.bool)
        seen[..., 0] = True
        for row, (first, count) in enumerate(zip(firsts, counts, strict=True)):
            seen[row, :count] = self._seen[row, first : first + count, :used]
        slots = [list(range(first, len(depths))) for first, depths in zip(firsts, self._depths, strict=True)]
        return NewRows(
            self._of([token for own in tokens for token in own]),
            self._of([depths[slot] for depths, own in zip(self._depths, slots, strict=True) for slot in own]),
            self._of([row for row, own in enumerate(slots) for _ in own]),
            self._of([slot for own in slots for slot in own]),
            self._of([place for own in slots for place in range(len(own))]),
            seen.to(self._device),
        )

    def _of(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, device=self._device)

    def _make_room(self, needed: int) -> None:
        room = self._seen.shape[1]
        if needed > room:
            longer = torch.zeros(len(self._depths), 2 * needed, 2 * needed, dtype=torch.bool)
            longer[:, :room, :room] = self._seen
            self._seen = longer

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        self._seen = self._seen[utterances]
        self._depths = [self._depths[utterance] for utterance in utterances]


def with_room(pool: Tensor, needed: int, room: int) -> Tensor:
    """A pool (N, H, old room, d_k) itself, or where it has not so many slots as needed, a copy with `room` of them."""
    if needed <= pool.shape[2]:
        return pool
    longer = pool.new_zeros(*pool.shape[:2], room, pool.shape[3])
    longer[:, :, : pool.shape[2]] = pool
    return longer
