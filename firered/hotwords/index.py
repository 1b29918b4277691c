"""Which of many phrases may have been said: `SoundIndex` finds them in a text by how they sound.

Two steps, as in a search engine: an index of pairs of neighbouring sounds names the phrases that have most of their
pairs in the text, and an exact alignment of those, anywhere in the text, gives the distance (Sellers, "The theory and
computation of evolutionary distances", 1980). FunAudio-ASR, section 5.4, retrieves by such a distance; how it seeks a
phrase within a text is not published.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from firered.hotwords.sounds import NAMES, SUBSTITUTION, WEIGHTS, Sounded

_ALIGNED = 400  # phrases that are aligned at most
_ALIKE = 0.2  # sounds that cost less than this share of their weight are one to the index
_INSERTED = 1.0  # cost of a sound of the text that the phrase does not have, as a share of its weight
_PAD = len(NAMES)


class Found(NamedTuple):
    """A phrase that may be in a text.

    Attributes:
        entry: its place in the list.
        distance: cost of the alignment as a share of the phrase's weight: 0 the same sounds, 1 none of them.
        start, end: the sounds of the text that it is aligned with.
    """

    entry: int
    distance: float
    start: int
    end: int


class SoundIndex:
    """Phrases by their sounds.

    Args:
        sounds: of each phrase; one without any sound is never found.
        entries: the phrase that each belongs to, where some may be said in several ways.
    """

    def __init__(self, sounds: Sequence[np.ndarray], entries: Sequence[int] | None = None) -> None:
        self._entries = np.asarray(range(len(sounds)) if entries is None else entries, np.int32)
        self._lengths = np.array([len(ids) for ids in sounds], np.int32)
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64)
        self._ids = np.concatenate(sounds) if sounds else np.zeros(0, np.int16)
        self._weights = np.add.reduceat(WEIGHTS[self._ids], self._offsets[:-1]) if len(self._ids) else np.zeros(0)
        self._pairs = np.maximum(self._lengths - 1, 1)
        keys, owners = self._keys()
        order = np.argsort(keys, kind="stable")
        self._owners = owners[order]
        self._bounds = np.searchsorted(keys[order], np.arange(_KEYS + 1))

    def __len__(self) -> int:
        return len(self._lengths)

    def _keys(self) -> tuple[np.ndarray, np.ndarray]:
        """The key of every pair of neighbouring sounds in the phrases, and whose it is."""
        owners = np.repeat(np.arange(len(self), dtype=np.int32), self._lengths)
        same = owners[1:] == owners[:-1]
        keys = _pair_keys(self._ids)[same]
        alone = self._lengths == 1  # a phrase of one sound has that with anything
        return keys, owners[1:][same] if not alone.any() else owners[1:][same]

    def search(self, text: Sounded, limit: int, largest: float) -> list[Found]:
        """The phrases nearest to a text, nearest first.

        Args:
            text: the text's sounds.
            limit: how many at most.
            largest: distance.
        """
        rows = self._likely(text.ids)
        if not len(rows):
            return []
        distances, starts, ends = self._align(text.ids, rows)
        found: dict[int, Found] = {}
        for place in np.lexsort((-self._weights[rows], distances)):
            if distances[place] > largest or len(found) == limit:
                break
            entry = int(self._entries[rows[place]])
            found.setdefault(entry, Found(entry, float(distances[place]), int(starts[place]), int(ends[place])))
        return list(found.values())

    def _likely(self, ids: np.ndarray) -> np.ndarray:
        """The phrases that have the most of their pairs of sounds in the text."""
        if len(ids) < 2 or not len(self):
            return np.zeros(0, np.int64)
        keys = np.unique(_pair_keys(ids))
        owners = [self._owners[self._bounds[key] : self._bounds[key + 1]] for key in keys]
        hits = np.bincount(np.concatenate(owners), minlength=len(self))
        share = hits / self._pairs
        count = min(_ALIGNED, int((hits > 0).sum()))
        return np.argpartition(-share, count - 1)[:count] if count else np.zeros(0, np.int64)

    def _align(self, text: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least distance of each phrase to a stretch of the text, and where that stretch is."""
        lengths = self._lengths[rows]
        ids = np.full((len(rows), int(lengths.max())), _PAD, np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = self._ids[self._offsets[row] : self._offsets[row + 1]]
        steps = np.concatenate([[0.0], np.cumsum(_INSERTED * WEIGHTS[text])]).astype(np.float32)  # (T + 1,)
        places = np.arange(len(text) + 1)
        costs = np.zeros((len(rows), len(text) + 1), np.float32)  # of the phrase so far, ending at each place
        starts = np.broadcast_to(places, costs.shape)
        best, begun, ended = (np.zeros(len(rows), kind) for kind in (np.float32, np.int64, np.int64))
        for column in range(ids.shape[1]):
            sound = ids[:, column]
            left_out = costs + _WEIGHTS[sound][:, None]
            replaced = costs[:, :-1] + _SUBSTITUTION[sound][:, text]
            better = replaced < left_out[:, 1:]
            costs, origin = left_out, starts.copy()
            costs[:, 1:][better], origin[:, 1:][better] = replaced[better], starts[:, :-1][better]
            # A sound of the text is put in between: the least of all places before, each with what lies between.
            level = costs - steps
            lowest = np.minimum.accumulate(level, axis=1)
            source = np.maximum.accumulate(np.where(level == lowest, places, 0), axis=1)
            costs, starts = lowest + steps, np.take_along_axis(origin, source, axis=1)
            done = np.flatnonzero(lengths == column + 1)
            if len(done):
                at = costs[done].argmin(1)
                best[done], ended[done], begun[done] = costs[done, at], at, starts[done, at]
        return best / self._weights[rows], begun, ended


def _classes() -> np.ndarray:
    """(S,) sounds that are easily confused as one, finals without their tone."""
    share = SUBSTITUTION / np.minimum.outer(WEIGHTS, WEIGHTS)
    classes = np.arange(len(NAMES))
    for one, other in zip(*np.nonzero(share <= _ALIKE), strict=True):
        classes[classes == classes[other]] = classes[one]
    return np.unique(classes, return_inverse=True)[1]


_CLASSES = _classes()
_COUNT = int(_CLASSES.max()) + 1
_KEYS = _COUNT**2
_WEIGHTS = np.append(WEIGHTS, np.float32(0))
_SUBSTITUTION = np.pad(SUBSTITUTION, ((0, 1), (0, 0)), constant_values=np.float32(1e6))


def _pair_keys(ids: np.ndarray) -> np.ndarray:
    classes = _CLASSES[ids]
    return classes[:-1] * _COUNT + classes[1:]
