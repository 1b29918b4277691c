"""Which entries of a list a CTC head heard, whatever its greedy text is: `Spotter`.

A recogniser that does not expect a name writes words that it knows, and its text may sound nothing like the name; but
the head's probabilities still hold it. An entry's score is that of its best path through any stretch of the frames,
against the likeliest path there: the word spotter of Andrusenko et al. (2024, CTC-WS), for all entries at once instead
of with a beam. Most entries are ruled out by a bound: each token at the frame where it is likeliest.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from firered.hotwords.lists import HotwordList

_ALIGNED = 256  # entries that are aligned at most: those of the best bound


class Spotted(NamedTuple):
    """An entry that may have been heard.

    Attributes:
        number: its place in the list.
        score: log-probability of its best path against that of the likeliest, a token; 0 at most.
        start, end: the frames of that path.
    """

    number: int
    score: float
    start: int
    end: int


class Spotter:
    """The entries of a list in a head's tokens.

    Args:
        hotwords: the list.
        spelling: the token ids of a text; None where the head cannot spell it. Such entries are never found.
        blank: id of the blank.
    """

    def __init__(self, hotwords: HotwordList, spelling: Callable[[str], Sequence[int] | None], blank: int = 0) -> None:
        spelt = [(number, ids) for number, text in enumerate(hotwords.texts) if (ids := spelling(text))]
        spelt.sort(key=lambda entry: len(entry[1]))
        self._blank = blank
        self._numbers = np.array([number for number, _ in spelt], np.int64)
        self._lengths = np.array([len(ids) for _, ids in spelt], np.int64)
        self._labels = np.full((len(spelt), int(self._lengths.max(initial=1))), blank, np.int64)
        for row, (_, ids) in enumerate(spelt):
            self._labels[row, : len(ids)] = ids

    def spotted(self, log_probs: np.ndarray, limit: int, least: float) -> list[Spotted]:
        """The likeliest entries, the likeliest first.

        Args:
            log_probs: (T, V) log-softmax of the head for one utterance.
            limit: how many at most.
            least: score.
        """
        if not len(self._numbers) or not len(log_probs):
            return []
        frames = log_probs - log_probs.max(1, keepdims=True)
        rows = self._likely(frames, least)
        if not len(rows):
            return []
        totals, starts, ends = self._align(frames, rows)
        scores = totals / self._lengths[rows]
        order = np.argsort(-scores, kind="stable")[:limit]
        return [
            Spotted(int(self._numbers[rows[place]]), float(scores[place]), int(starts[place]), int(ends[place]))
            for place in order
            if scores[place] >= least
        ]

    def _likely(self, frames: np.ndarray, least: float) -> np.ndarray:
        """The entries whose tokens are all likely somewhere."""
        best = frames.max(0)  # of each token
        best[self._blank] = 0.0  # padding
        bounds = best[self._labels].sum(1) / self._lengths
        rows = np.flatnonzero(bounds >= least)
        if len(rows) > _ALIGNED:
            rows = rows[np.argpartition(-bounds[rows], _ALIGNED)[:_ALIGNED]]
        return np.sort(rows)

    def _align(self, frames: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best path of each entry over any frames, and its first and last frame (Viterbi)."""
        lengths = self._lengths[rows]
        labels = self._labels[rows, : int(lengths.max())]
        repeats = np.zeros(labels.shape, bool)
        repeats[:, 1:] = labels[:, 1:] == labels[:, :-1]
        last = np.arange(len(rows)), lengths - 1
        on = np.full(labels.shape, -np.inf, np.float32)  # the path is at the token
        after = on.copy()  # it is at the blank behind the token
        begun, begun_after = np.zeros(labels.shape, np.int32), np.zeros(labels.shape, np.int32)
        best, starts, ends = np.full(len(rows), -np.inf, np.float32), *np.zeros((2, len(rows)), np.int32)
        for frame, own in enumerate(frames):
            stays = after >= on
            blank = np.where(stays, after, on) + own[self._blank]
            begun_blank = np.where(stays, begun_after, begun)
            direct = np.where(repeats[:, 1:], -np.inf, on[:, :-1])
            skips = direct >= after[:, :-1]
            entered = np.zeros(labels.shape, np.float32)
            entered[:, 1:] = np.where(skips, direct, after[:, :-1])
            begun_entered = np.full(labels.shape, frame, np.int32)
            begun_entered[:, 1:] = np.where(skips, begun[:, :-1], begun_after[:, :-1])
            enters = entered > on
            begun = np.where(enters, begun_entered, begun)
            on = np.where(enters, entered, on) + own[labels]
            after, begun_after = blank, begun_blank
            better = on[last] > best
            best = np.where(better, on[last], best)
            starts, ends = np.where(better, begun[last], starts), np.where(better, frame + 1, ends)
        return best, starts, ends
