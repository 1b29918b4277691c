"""Phrases aligned with stretches of a text by the costs of their sounds: `aligned`."""

import itertools
from typing import NamedTuple

import numpy as np

from firered.hotwords.inventory import SUBSTITUTION, WEIGHTS

UNIT = 1000  # costs are whole numbers of this part, so that sums are exact

_SOUNDS = len(WEIGHTS)
_WEIGHTS = np.rint(WEIGHTS * UNIT).astype(np.int32)
# A sound of the phrase in the place of one of the text, less what it costs to have that in excess.
_REPLACED = (np.rint(SUBSTITUTION * UNIT).astype(np.int32) - _WEIGHTS).ravel()


class Aligned(NamedTuple):
    """Alignments: which of the given places (N,), their costs (N,), the sounds [start, end) of the text (N,), (N,)."""

    places: np.ndarray
    costs: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class Windows(NamedTuple):
    """Phrases, longest first, and the stretches of a text in which they are sought.

    Attributes:
        sounds: (L, R) of the phrases; columns of shorter ones hold anything after their end.
        lengths: (R,) of the phrases.
        text: (R, W) sounds.
    """

    sounds: np.ndarray
    lengths: np.ndarray
    text: np.ndarray


def aligned(
    text: np.ndarray, phrases: tuple[np.ndarray, np.ndarray], diagonals: np.ndarray, slack: int, largest: float
) -> Aligned:
    """The cheapest alignment of each phrase with sounds of the text near a diagonal.

    A sound of the phrase that the text does not have, or has in excess, costs its weight.

    Args:
        text: (T,) its sounds.
        phrases: the sounds of the phrases, one after the other, and where each begins and ends (R, 2).
        diagonals: (R,) where in the text a phrase begins, or up to `slack` later.
        slack: see there.
        largest: cost, as a share of the phrase's weight, of alignments that are given.
    """
    ids, bounds = phrases
    lengths = bounds[:, 1] - bounds[:, 0]
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    extra = 2 + lengths // 4
    width = min(len(text), int((lengths + 2 * extra).max()) + slack)
    begins = np.clip(diagonals[order] - extra, 0, len(text) - width)  # (R,)
    columns = bounds[order, 0] + np.arange(int(lengths[0]))[:, None]  # (L, R)
    sounds = ids[np.minimum(columns, len(ids) - 1)].astype(np.intp)
    windows = Windows(sounds, lengths, text[begins[:, None] + np.arange(width)].astype(np.intp))
    weights = np.where(np.arange(len(sounds))[:, None] < lengths, _WEIGHTS[sounds], 0).sum(0)
    costs = _least(windows)
    near = np.flatnonzero(costs <= largest * weights)
    if not len(near):
        return Aligned(near, near, near, near)
    starts, ends = _where(Windows(sounds[: int(lengths[near[0]]), near], lengths[near], windows.text[near]))
    return Aligned(order[near], costs[near] / UNIT, starts + begins[near], ends + begins[near])


def _least(windows: Windows) -> np.ndarray:
    """(R,) the costs of the cheapest alignments."""
    steps, level = _first_column(windows)
    least = np.zeros(len(windows.lengths), np.int32)
    for column, (count, done) in enumerate(_columns(windows.lengths)):
        sound = windows.sounds[column, :count, None]
        before = level[:count]
        level = before + _WEIGHTS[sound]
        replaced = before[:, :-1] + _REPLACED.take(windows.text[:count] + sound * _SOUNDS)
        np.minimum(level[:, 1:], replaced, out=level[:, 1:])
        np.minimum.accumulate(level, axis=1, out=level)  # a sound of the text in excess adds as much as `steps` takes
        if done < count:
            least[done:count] = (level[done:] + steps[done:count]).min(1)
    return least


def _where(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """(R,), (R,) where the cheapest alignments begin and end; see `_least` for the costs."""
    steps, level = _first_column(windows)
    places = np.arange(level.shape[1])
    starts = np.broadcast_to(places, level.shape)
    begun, ended = np.zeros(len(windows.lengths), np.intp), np.zeros(len(windows.lengths), np.intp)
    for column, (count, done) in enumerate(_columns(windows.lengths)):
        sound = windows.sounds[column, :count, None]
        before, starts = level[:count], starts[:count]
        put = before + _WEIGHTS[sound]
        replaced = before[:, :-1] + _REPLACED.take(windows.text[:count] + sound * _SOUNDS)
        origin = starts.copy()
        np.copyto(origin[:, 1:], starts[:, :-1], where=replaced <= put[:, 1:])
        np.minimum(put[:, 1:], replaced, out=put[:, 1:])
        level = np.minimum.accumulate(put, axis=1)
        source = np.maximum.accumulate(np.where(put == level, places, 0), axis=1)
        starts = np.take_along_axis(origin, source, axis=1)
        if done < count:
            rows = np.arange(count - done)
            at = (level[done:] + steps[done:count]).argmin(1)
            begun[done:count], ended[done:count] = starts[done:][rows, at], at
    return begun, ended


def _first_column(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """(R, W + 1) the weight of the text up to each place, and the costs of nothing there, less that weight."""
    steps = np.zeros((len(windows.text), windows.text.shape[1] + 1), np.int32)
    np.cumsum(_WEIGHTS[windows.text], axis=1, out=steps[:, 1:])
    return steps, -steps


def _columns(lengths: np.ndarray) -> list[tuple[int, int]]:
    """For each sound of the longest phrase, how many phrases have one there, and how many have another after it."""
    having = np.searchsorted(-lengths, -np.arange(int(lengths[0]) + 1), side="left").tolist()
    return list(itertools.pairwise(having))
