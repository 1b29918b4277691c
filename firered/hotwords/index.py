"""Which of many phrases may have been said: `SoundIndex` finds them in a text by how they sound.

As in a search engine, an index of pairs of neighbouring sounds names the phrases that have many of their pairs in the
text, then those that have them close together and in their order; an exact alignment of these, anywhere in the text
around that place, gives the distance (Sellers, "The theory and computation of evolutionary distances", 1980).
FunAudio-ASR, section 5.5, retrieves by such a distance; how it seeks a phrase within a text is not published.
What has exactly the sounds of a phrase is looked up, so it is found however many other phrases there are.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firered.hotwords.alignment import aligned
from firered.hotwords.inventory import CLASSES, WEIGHTS
from firered.hotwords.sounds import Sounded

_BLOCK, _OVERLAP = 160, 48  # sounds of a text that are searched at once, and how many of them again with the next
_MOST_POSTINGS = 80_000  # read for a block; the pairs that most phrases have are left out first
_SHARE = 0.34  # of a phrase's pairs that have to be in the text
_MOST_COUNTED, _MOST_ALIGNED = 1000, 160  # phrases after the first step, places after the second
_STEP = 4  # diagonals that are counted together; places overlap by as many
_LARGEST = 0.7  # distance of what is given
_BEGINNING = 4  # sounds by which those of equal beginning are sought
_COUNT = int(CLASSES.max()) + 1


class Found(NamedTuple):
    """A phrase that may be in a text.

    Attributes:
        row: its place among the phrases.
        distance: cost of the alignment as a share of the phrase's weight: 0 the same sounds, 1 none of them.
        start, end: the sounds of the text that it is aligned with.
    """

    row: int
    distance: float
    start: int
    end: int


class SoundIndex:
    """Phrases by their sounds.

    Args:
        sounds: of each phrase, ids of `inventory.NAMES`; one without any sound is never found.
    """

    def __init__(self, sounds: Sequence[Sequence[int]]) -> None:
        self._lengths = np.fromiter(map(len, sounds), np.int64, len(sounds))
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)])
        self._ids = np.fromiter((number for ids in sounds for number in ids), np.int16, int(self._offsets[-1]))
        self.weights = np.bincount(
            np.repeat(np.arange(len(sounds)), self._lengths), WEIGHTS[self._ids], minlength=len(sounds)
        ).astype(np.float32)
        pairs = np.maximum(self._lengths - 1, 1)
        self._shares = (1 / pairs).astype(np.float32)
        self._needed = np.ceil(pairs * _SHARE).astype(np.int64)
        self._exact, self._exact_lengths = self._by_sounds(sounds)
        self._post()

    def __len__(self) -> int:
        return len(self._lengths)

    def _post(self) -> None:
        """Make the postings: for each pair of sounds the phrases that have it, and where."""
        owners = np.repeat(np.arange(len(self)), self._lengths)
        inside = np.flatnonzero(owners[1:] == owners[:-1])
        keys = pair_keys(self._ids)[inside]
        order = np.argsort(keys, kind="stable")
        self._owners = owners[inside][order]
        self._places = (inside - self._offsets[owners[inside]])[order].astype(np.int32)
        self._bounds = np.searchsorted(keys[order], np.arange(_COUNT**2 + 1))

    def _by_sounds(self, sounds: Sequence[Sequence[int]]) -> tuple[dict[bytes, list[int]], dict[bytes, list[int]]]:
        """The phrases with exactly given sounds, and how long those are that begin with given ones."""
        rows: dict[bytes, list[int]] = {}
        lengths: dict[bytes, set[int]] = {}
        data, size = self._ids.tobytes(), self._ids.itemsize
        offsets = (self._offsets * size).tolist()
        for row, (begin, end) in enumerate(itertools.pairwise(offsets)):
            if begin < end:
                rows.setdefault(data[begin:end], []).append(row)
                lengths.setdefault(data[begin : min(begin + _BEGINNING * size, end)], set()).add((end - begin) // size)
        return rows, {first: sorted(found) for first, found in lengths.items()}

    def exact(self, text: Sounded) -> list[Found]:
        """Every place of a text that has exactly the sounds of a phrase."""
        found = []
        data, size = text.ids.tobytes(), text.ids.itemsize
        for start in range(len(text.ids)):
            for known in range(1, min(_BEGINNING, len(text.ids) - start) + 1):
                for length in self._exact_lengths.get(data[start * size : (start + known) * size], ()):
                    if (length == known or known == _BEGINNING) and start + length <= len(text.ids):
                        for row in self._exact.get(data[start * size : (start + length) * size], ()):
                            found.append(Found(row, 0.0, start, start + length))
        return found

    def near(self, text: Sounded) -> list[Found]:
        """Places of a text that sound much like phrases; of too many in a long list, those that seem the nearest."""
        found: list[Found] = []
        for first in range(0, max(len(text.ids) - _OVERLAP, 1), _BLOCK - _OVERLAP):
            ids = text.ids[first : first + _BLOCK]
            rows, diagonals = self._likely(ids)
            if not len(rows):
                continue
            bounds = np.stack([self._offsets[rows], self._offsets[rows + 1]], 1)
            near = aligned(ids, (self._ids, bounds), diagonals, 2 * _STEP, _LARGEST)
            rows = rows[near.places]
            columns = rows, near.costs / self.weights[rows], near.starts + first, near.ends + first
            found += map(Found._make, zip(*(column.tolist() for column in columns), strict=True))
        return found

    def _likely(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The phrases with many pairs of sounds in a text, and the first diagonal on which these are."""
        none = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if len(ids) < 2:
            return none
        order, keys, first, counts = _grouped(pair_keys(ids))
        sizes = self._bounds[keys + 1] - self._bounds[keys]
        rarest = np.argsort(sizes, kind="stable")
        used = rarest[: np.searchsorted(np.cumsum(sizes[rarest]), _MOST_POSTINGS, side="right")]
        used = used[sizes[used] > 0]
        if not len(used):
            return none
        begins, sizes = self._bounds[keys[used]], sizes[used]
        ranges = list(zip(begins.tolist(), (begins + sizes).tolist(), strict=True))
        owners = np.concatenate([self._owners[begin:end] for begin, end in ranges])
        hits = np.bincount(owners, minlength=len(self))
        rows = np.flatnonzero(hits >= self._needed)
        if not len(rows):
            return none
        if len(rows) > _MOST_COUNTED:
            share = hits[rows] * self._shares[rows]
            rows = rows[np.argpartition(-share, _MOST_COUNTED)[:_MOST_COUNTED]]
        # Of those phrases, the postings with every place of the text that has the pair: on which diagonals they lie.
        numbers = np.zeros(len(self), np.int16)
        numbers[rows] = np.arange(1, len(rows) + 1)
        numbers = numbers[owners]
        kept = np.flatnonzero(numbers != 0)
        ends = np.cumsum(sizes)
        key = np.searchsorted(ends, kept, side="right")
        posting = kept + (begins - (ends - sizes))[key]
        times = counts[used][key]
        place = np.repeat(first[used][key], times) + _ranges(times)
        diagonals = order[place] - np.repeat(self._places[posting], times)
        return self._densest(rows, np.repeat(numbers[kept], times).astype(np.int64) - 1, diagonals, len(ids))

    def _densest(
        self, rows: np.ndarray, numbers: np.ndarray, diagonals: np.ndarray, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The stretches of diagonals that have the most of a phrase's pairs, by the share of them."""
        lowest = int(diagonals.min())
        width = (size - lowest) // _STEP + 3  # a cell is empty between one phrase and the next
        cells = np.bincount(numbers * width + (diagonals - lowest) // _STEP + 1, minlength=len(rows) * width + 1)
        sums = cells[:-1] + cells[1:]
        at = np.flatnonzero(sums >= np.repeat(self._needed[rows], width))
        following = sums[np.minimum(at + 1, len(sums) - 1)]
        at = at[(sums[at] > sums[at - 1]) & (sums[at] >= following)]  # one of neighbours that share their pairs
        if len(at) > _MOST_ALIGNED:
            share = sums[at] * self._shares[rows[at // width]]
            at = at[np.argpartition(-share, _MOST_ALIGNED)[:_MOST_ALIGNED]]
        return rows[at // width], (at % width - 1) * _STEP + lowest


def pair_keys(ids: np.ndarray) -> np.ndarray:
    """The number of each pair of neighbouring sounds; pairs of sounds that are easily confused have the same."""
    classes = CLASSES[ids]
    return classes[:-1] * _COUNT + classes[1:]


def _grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """An order in which equal keys stand together, the keys, where in the order each begins, and how many it has."""
    order = np.argsort(keys, kind="stable")
    found, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
    return order, found, first, counts


def _ranges(sizes: np.ndarray) -> np.ndarray:
    """0 … n - 1 for each n, one after the other."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
