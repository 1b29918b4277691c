"""Phrases aligned with stretches of a text by the costs of their sounds: `aligned`."""

import numpy as np

from firered.hotwords.inventory import SUBSTITUTION, WEIGHTS

_SOUNDS = len(WEIGHTS)
_FLAT = np.ascontiguousarray(SUBSTITUTION).ravel()


def aligned(
    text: np.ndarray, rows: np.ndarray, diagonals: np.ndarray, ids: np.ndarray, offsets: np.ndarray, slack: int
) -> list[tuple[int, float, int, int]]:
    """(row, cost, start, end) of the cheapest alignment of each phrase with sounds of the text near a diagonal.

    A sound of the phrase that the text does not have, or has in excess, costs its weight.

    Args:
        text: (T,) its sounds.
        rows: (R,) the phrases.
        diagonals: (R,) where in the text the phrase begins, as far as is known.
        ids, offsets: sounds of all phrases, one after the other, and where each begins.
        slack: how far from the diagonal the alignment may go, besides a quarter of the phrase's length.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    order = np.argsort(-lengths, kind="stable")  # so that those that are not done yet are the first ones
    rows, lengths, diagonals = rows[order], lengths[order], diagonals[order]
    extra = slack + lengths // 4
    width = min(len(text), int((lengths + 2 * extra + 2 * slack).max()))
    begins = np.clip(diagonals - extra, 0, len(text) - width)  # (R,)
    window = text[begins[:, None] + np.arange(width)].astype(np.int64)  # (R, W)
    steps = np.zeros((len(rows), width + 1), np.float32)
    np.cumsum(WEIGHTS[window], axis=1, out=steps[:, 1:])
    remaining = np.searchsorted(-lengths, -np.arange(int(lengths[0])), side="left")  # phrases longer than each column
    places = np.arange(width + 1)
    costs = np.zeros((len(rows), width + 1), np.float32)  # of the phrase so far, ending at each place
    starts = np.broadcast_to(places, costs.shape)
    best, begun, ended = (np.zeros(len(rows), kind) for kind in (np.float32, np.int64, np.int64))
    for column, count in enumerate(remaining):
        sound = ids[offsets[rows[:count]] + column].astype(np.int64)[:, None]
        costs, starts = costs[:count], starts[:count]
        left_out = costs + WEIGHTS[sound]
        replaced = costs[:, :-1] + _FLAT[sound * _SOUNDS + window[:count]]
        better = replaced < left_out[:, 1:]
        origin = starts.copy()
        np.copyto(left_out[:, 1:], replaced, where=better)
        np.copyto(origin[:, 1:], starts[:, :-1], where=better)
        # A sound of the text is put in between: the least of all places before, each with what lies between.
        level = left_out - steps[:count]
        lowest = np.minimum.accumulate(level, axis=1)
        source = np.maximum.accumulate(np.where(level == lowest, places, 0), axis=1)
        costs, starts = lowest + steps[:count], np.take_along_axis(origin, source, axis=1)
        done = int(np.searchsorted(-lengths, -(column + 1), side="left"))  # they and those after them end here
        if done < count:
            at = costs[done:].argmin(1)
            here = np.arange(count - done)
            best[done:count], ended[done:count], begun[done:count] = costs[done:][here, at], at, starts[done:][here, at]
    found = zip(rows.tolist(), best.tolist(), (begun + begins).tolist(), (ended + begins).tolist(), strict=True)
    return list(found)
