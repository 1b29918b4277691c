"""Alignments that times decide where texts leave it open.

Of all alignments with the fewest errors, and of these with the most correct tokens, the one is taken whose pairs of
tokens are least apart in time: of "yes yes yes" against one "yes", the one that was said then. Times are looked at
near the alignment that the texts alone give, so that hours of stream cost no more than their length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from firered.scoring.metrics.alignment import Hunk, align

Pair = tuple[int, int]  # index of a token in the first sequence, and of the one that it stands against in the second
_Bounds = list[tuple[int, int]]  # of each row, the first column that is looked at, and the one after the last

_NEAR = 200  # tokens to each side of the alignment by the texts
_FAR_S = 10.0  # beyond it one distance is as bad as another
_PAIR, _DELETE, _INSERT = range(3)
_NEVER = 1 << 62


@dataclass(frozen=True)
class Timed:
    """Tokens, and of each the middle of its time in seconds, as (N,) floats."""

    tokens: Sequence[str]
    middles_s: np.ndarray


def align_in_time(reference: Timed, hypothesis: Timed) -> list[Pair]:
    """The pairs of tokens, equal or substituted; tokens in no pair are deleted or inserted."""
    (hunks,) = align([reference.tokens], [hypothesis.tokens])
    rows, columns = len(reference.tokens), len(hypothesis.tokens)
    return _cheapest(reference, hypothesis, _bounds(hunks, rows, columns), free_end=False)


def align_beginning(shown: Timed, final: Timed) -> list[Pair]:
    """The pairs of a text shown early and the beginning of the final text that is nearest to it.

    What comes after that beginning is no error of the shown text: it is shorter because less had been heard. The
    beginning that both have in common stays together. Of beginnings as near, the shorter one is taken.
    """
    same = common_prefix(shown.tokens, final.tokens)
    rest, rest_of_final = (Timed(side.tokens[same:], side.middles_s[same:]) for side in (shown, final))
    bounds = [(0, len(rest_of_final.tokens) + 1)] * (len(rest.tokens) + 1)
    pairs = _cheapest(rest, rest_of_final, bounds, free_end=True)
    return [(at, at) for at in range(same)] + [(row + same, column + same) for row, column in pairs]


def common_prefix(first: Sequence[str], second: Sequence[str]) -> int:
    """The number of tokens at the beginning that are the same."""
    differing = (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
    return next(differing, min(len(first), len(second)))


def _bounds(hunks: Sequence[Hunk], rows: int, columns: int) -> _Bounds:
    """What is looked at: the cells near the way that these errors make, all of it connected."""
    first = np.zeros(rows + 1, int)
    last = np.zeros(rows + 1, int)
    for start, end, hyp_start, hyp_end in _steps(hunks, rows, columns):
        if end == start:
            last[start] = hyp_end
        else:
            at = np.arange(1, end - start + 1)
            first[start + 1 : end + 1] = last[start + 1 : end + 1] = hyp_start + np.minimum(at, hyp_end - hyp_start)
    return [
        (max(low - _NEAR, 0), min(high + _NEAR, columns) + 1)
        for low, high in zip(first.tolist(), last.tolist(), strict=True)
    ]


def _steps(hunks: Sequence[Hunk], rows: int, columns: int) -> Iterator[Hunk]:
    """The hunks, and what is equal between them."""
    at = hyp_at = 0
    for hunk in (*hunks, (rows, rows, columns, columns)):
        yield at, hunk[0], hyp_at, hunk[2]
        yield hunk
        at, hyp_at = hunk[1], hunk[3]


def _cheapest(first: Timed, second: Timed, bounds: _Bounds, *, free_end: bool) -> list[Pair]:
    """The pairs of the cheapest way: errors count before tokens that are not right, and these before time."""
    if not first.tokens or not second.tokens:
        return []
    number = {token: code for code, token in enumerate(dict.fromkeys(second.tokens))}
    codes = np.array([number[token] for token in second.tokens])
    shortest, longest = sorted((len(first.tokens), len(second.tokens)))
    farthest = max(1, min(1000, 10**18 // longest**3))  # what a pair costs at most by its time, in whole numbers
    not_right = farthest * shortest + 1  # of the first sequence
    error = not_right * (len(first.tokens) + 1)
    low, high = bounds[0]
    row = error * np.arange(low, high)
    moves = []
    for token, middle_s, (start, end) in zip(first.tokens, first.middles_s, bounds[1:], strict=True):
        above = _over(row, low, start - 1, end)
        within = slice(max(start, 1) - 1, end - 1)  # column j stands for the token before it
        apart = np.minimum(np.abs(second.middles_s[within] - middle_s) / _FAR_S, 1) * farthest
        costs = np.rint(apart).astype(np.int64)
        costs[codes[within] != number.get(token, -1)] += error + not_right
        pair = above[:-1].copy()
        pair[len(pair) - len(costs) :] += costs
        deleted = above[1:] + error + not_right
        inserted = error * np.arange(end - start)
        row, low = np.minimum.accumulate(np.minimum(pair, deleted) - inserted) + inserted, start
        moves.append(np.where(row == pair, _PAIR, np.where(row == deleted, _DELETE, _INSERT)).astype(np.uint8))
    column = low + int(row.argmin()) if free_end else len(second.tokens)
    return _way_back(moves, bounds[1:], column)


def _over(row: np.ndarray, low: int, start: int, end: int) -> np.ndarray:
    """A row that begins at column `low`, over the columns [start, end)."""
    values = np.full(end - start, _NEVER)
    begin, stop = max(start, low), min(end, low + len(row))
    values[begin - start : stop - start] = row[begin - low : stop - low]
    return values


def _way_back(moves: Sequence[np.ndarray], bounds: _Bounds, column: int) -> list[Pair]:
    pairs: list[Pair] = []
    at = len(moves)
    while at:
        move = int(moves[at - 1][column - bounds[at - 1][0]])
        if move == _PAIR:
            pairs.append((at - 1, column - 1))
        at -= move != _INSERT
        column -= move != _DELETE
    return pairs[::-1]
