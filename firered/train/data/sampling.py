"""Which utterances an epoch has: sets mixed by weight, languages made evener; and the order they are read in.

All of it follows from the seed and the epoch, so that a training can go on from any batch, in any number of processes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firered.audio.framing import FRAME_SHIFT_S

_PASS, _ORDER = 11, 12  # random numbers apart from those of other draws


@dataclass(frozen=True)
class Epoch:
    """The examples of an epoch.

    Attributes:
        indices: (m,) their utterances.
        passes: (m,) how often each of these was drawn before, in the place of the epoch wherever something is drawn
            for an utterance.
        windows: positions in these two, in the order of reading; batches are made within a window.
    """

    indices: np.ndarray
    passes: np.ndarray
    windows: list[np.ndarray]


class Sampling:
    """Draws utterances of groups, each as often in an epoch as its weight says.

    A weight of 2 gives every utterance twice, one of 0.5 every utterance once in two epochs: a group is gone through
    without end, each time in a new order, and an epoch takes the next stretch of it, so that none is left out or comes
    more often than others.

    Args:
        groups: (n,) the group of each utterance, from 0 on.
        weights: of the groups.
        names: of the groups.
        seed: of all that is drawn.
        shards: (n,) the shard of each utterance, from 0 on.
        buffer: utterances of a window; 0: all of them.
    """

    def __init__(
        self,
        groups: np.ndarray,
        weights: Sequence[float],
        names: Sequence[str],
        seed: int,
        shards: np.ndarray | None = None,
        buffer: int = 0,
    ) -> None:
        self.names, self.weights = list(names), list(weights)
        self._groups, self._seed, self._buffer = groups, seed, buffer
        self._members = [np.flatnonzero(groups == number) for number in range(len(names))]
        self._shards = np.arange(len(groups)) if shards is None else shards

    @property
    def passes_at_once(self) -> int:
        """Passes that an epoch has parts of, at most."""
        return max(math.ceil(weight) + 1 for weight in self.weights) if self.is_weighted else 1

    @property
    def is_weighted(self) -> bool:
        """Whether an epoch is anything but every utterance once."""
        return any(weight != 1.0 for weight in self.weights)

    def epoch(self, number: int) -> Epoch:
        """The examples of an epoch."""
        if self.is_weighted:
            drawn = [self._of_group(group, number) for group in range(len(self._members))]
            indices, passes = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        else:
            indices, passes = np.arange(len(self._groups)), np.full(len(self._groups), number)
        return Epoch(indices, passes, self._windows(indices, number))

    def hours(self, number: int, frames: np.ndarray) -> dict[str, float]:
        """Hours that an epoch has of each group, of utterances of so many frames (n,) before augmentation."""
        indices = self.epoch(number).indices
        totals = np.bincount(self._groups[indices], frames[indices], len(self.names))
        return dict(zip(self.names, (totals * FRAME_SHIFT_S / 3600).tolist(), strict=True))

    def counts(self, number: int) -> dict[str, int]:
        """How many utterances an epoch has of each group."""
        totals = np.bincount(self._groups[self.epoch(number).indices], minlength=len(self.names))
        return dict(zip(self.names, totals.tolist(), strict=True))

    def told(self, number: int, frames: np.ndarray) -> str:
        """The same in words, with the weights."""
        weights = dict(zip(self.names, self.weights, strict=True))
        hours = self.hours(number, frames)
        return ", ".join(f"{own:.2f} h of {name} (x {weights[name]:.3g})" for name, own in hours.items())

    def _of_group(self, group: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        members, weight = self._members[group], self.weights[group]
        first, end = (round(weight * len(members) * number) for number in (epoch, epoch + 1))
        places = np.arange(first, end)
        passes = places // max(len(members), 1)
        indices = np.zeros(len(places), np.int64)
        for number in np.unique(passes).tolist():
            order = np.random.default_rng([self._seed, number, group, _PASS]).permutation(len(members))
            now = passes == number
            indices[now] = members[order[places[now] % len(members)]]
        return indices, passes

    def _windows(self, indices: np.ndarray, epoch: int) -> list[np.ndarray]:
        count = len(indices)
        if not 0 < self._buffer < count:
            return [np.arange(count)]
        rng = np.random.default_rng([self._seed, epoch, 0, _ORDER])
        turn = rng.permutation(int(self._shards.max()) + 1)[self._shards[indices]]
        order = np.lexsort((rng.random(count), turn))
        return [order[start : start + self._buffer] for start in range(0, count, self._buffer)]
