"""What a stream of texts that are revised is measured by: when words appear and settle, what is taken back, delays."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from firered.scoring.metrics.timed_alignment import Timed, align_beginning, common_prefix

PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Update:
    """What one partial shows of a segment; its first `stable` tokens are said to be stable."""

    shown: Timed
    stable: int = 0


@dataclass(frozen=True)
class Shown:
    """Of each token of a final text, the number of an update, as (N,) integers; the final's is the number of partials.

    `first`: which first has the token in its place. `settled`: since when every one has it there. `declared`: which
    first has it in its stable part.
    """

    first: np.ndarray
    settled: np.ndarray
    declared: np.ndarray


def follow(updates: Sequence[Update], final: Timed) -> Shown:
    """When the tokens of a final text were shown in the partials before it.

    A token is in its place where it stands against the final's equal token in the alignment of the partial with the
    beginning of the final text.
    """
    last = len(updates)
    first, settled, declared = (np.full(len(final.tokens), last) for _ in range(3))
    for number in reversed(range(last)):
        shown = updates[number].shown
        pairs = align_beginning(shown, final)
        equal = [(row, place) for row, place in pairs if shown.tokens[row] == final.tokens[place]]
        rows, places = np.array(equal, int).reshape(-1, 2).T
        settled[places[settled[places] == number + 1]] = number
        first[places] = number
        declared[places[rows < updates[number].stable]] = number
    return Shown(first, settled, declared)


def erased(texts: Sequence[Sequence[str]]) -> int:
    """The tokens that are taken back in going from each text to the next (Arivazhagan et al., 2020).

    From one text to the next those are taken back that come after the beginning that both have in common.
    """
    return sum(len(before) - common_prefix(before, after) for before, after in pairwise(texts))


@dataclass(frozen=True)
class Spread:
    """The number of some delays, their mean and `PERCENTILES` in seconds; None where there are none."""

    count: int
    mean: float | None = None
    percentiles: tuple[float | None, ...] = (None,) * len(PERCENTILES)

    @property
    def median(self) -> float | None:
        """The delay that half of them are below."""
        return self.percentiles[0]

    def to_json(self) -> dict[str, int | float | None]:
        """For score.json."""
        named = zip((f"p{percentile}" for percentile in PERCENTILES), self.percentiles, strict=True)
        return {"count": self.count, "mean": self.mean, **dict(named)}


def spread(delays_s: np.ndarray) -> Spread:
    """The spread of (N,) delays; percentiles are linear between two delays, as NumPy's."""
    if not len(delays_s):
        return Spread(0)
    return Spread(len(delays_s), float(delays_s.mean()), tuple(np.percentile(delays_s, PERCENTILES).tolist()))
