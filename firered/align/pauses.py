"""Times of tokens where the published rule has none: at the end of a recording, and of what the dictionary lacks."""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

Interval = tuple[float, float]  # start and end in seconds

LEAST_S = 0.04  # a token lasts this long at least, where there is room: one frame of the encoder
_LONG = 1.5  # times the mean length of a token: as long as the published rule lets one be that a pause follows


class Size(NamedTuple):
    """How many letters a token has, and whether the dictionary has it, so that the alignment is of it."""

    letters: int
    known: bool = True


def one_after_the_other(times: Sequence[Interval], duration_s: float) -> list[Interval]:
    """Times in whole milliseconds inside [0, duration_s], none before the end of the one before, gaps kept.

    Each lasts `LEAST_S` or more; where there are more tokens than that leaves room for, its share, and 1 ms or more as
    long as there is a millisecond for each.
    """
    limit = math.floor(1000 * duration_s + 1e-6)  # in ms; the little more keeps 0.589 s at 589
    least = max(1, min(round(1000 * LEAST_S), limit // max(1, len(times))))
    forward: list[tuple[int, int]] = []
    at = 0
    for start, end in times:
        start_ms = max(at, round(1000 * start))
        at = max(start_ms + least, round(1000 * end))
        forward.append((start_ms, at))
    backward: list[Interval] = []
    for start_ms, end_ms in reversed(forward):
        end_ms = min(end_ms, limit)
        start_ms = max(0, min(start_ms, end_ms - least))
        backward.append((start_ms / 1000, end_ms / 1000))
        limit = start_ms
    return backward[::-1]


def before_the_end(times: Sequence[Interval], own_ends: Sequence[float], duration_s: float) -> list[Interval]:
    """Times in which tokens that only fit after the end of the speech follow the one before them.

    A head that has missed the last of an utterance has its tokens on the very last frames: with less than a frame of
    the recording left, or behind a pause with less than two. They are put after the token before them, at the mean pace
    of those before that; where there is none before, they share the recording.

    Args:
        times: of the tokens, in order.
        own_ends: where the frames that carry each of them end.
        duration_s: of the recording.
    """
    on_time = [*times]
    while on_time and duration_s - on_time[-1][0] < LEAST_S * (2 if _after_pause(on_time) else 1):
        on_time.pop()
    late = len(times) - len(on_time)
    if not late:
        return list(times)
    if not on_time:  # nothing says where any of them is
        return _shared(0.0, duration_s, [1] * late)
    *before, (start, _) = on_time
    step = (duration_s - start) / (late + 1)
    if before:
        step = min(step, float(np.mean([end - start for start, end in before])))
    first = min(max(start + step, own_ends[len(before)]), max(start + step, duration_s - late * LEAST_S))
    moved = [(first + n * step, first + (n + 1) * step) for n in range(late)]
    return [*before, (start, first), *moved]


def _after_pause(times: Sequence[Interval]) -> bool:
    """Whether the last token starts after the one before it has ended."""
    return len(times) > 1 and times[-2][1] < times[-1][0]


def with_unknown(
    times: Sequence[Interval], own_ends: Sequence[float], sizes: Sequence[Size], duration_s: float
) -> list[Interval]:
    """The times of all tokens, from those of the known ones: the unknown ones take theirs from their neighbours.

    They lie between the known token before them, which keeps the frames that carry it and otherwise a share by its
    letters, and the start of the one after. At either end of a text they are no longer than tokens that a pause
    follows, and of a text that is unknown altogether they share all there is.

    Args:
        times: of the known tokens, in order.
        own_ends: where the frames that carry each of them end.
        sizes: of all tokens.
        duration_s: of the recording.
    """
    if not times:
        return _shared(0.0, duration_s, [size.letters for size in sizes])
    long_s = _LONG * float(np.mean([end - start for start, end in times]))
    known, ends = list(times), list(own_ends)
    placed: list[Interval] = []
    done = 0  # known tokens so far
    for is_known, run in groupby(sizes, key=lambda size: size.known):
        letters = [size.letters for size in run]
        if is_known:
            placed += known[done : done + len(letters)]
            done += len(letters)
            continue
        if not done:
            begin, after = _before_first(known[0], letters, long_s)
            known[0] = (after, max(after, known[0][1]))
        else:
            before = placed.pop()
            after = known[done][0] if done < len(known) else min(duration_s, before[0] + long_s * (len(letters) + 1))
            begin = _end_of_known(before, ends[done - 1], sizes[len(placed)].letters, letters, after)
            placed.append((before[0], begin))
        placed += _shared(begin, max(begin, after), letters)
    return placed


def _before_first(first: Interval, letters: Sequence[int], long_s: float) -> Interval:
    """Where unknown tokens at the beginning start and end; they take of the first known one if there is no room."""
    room = LEAST_S * len(letters)
    end = max(first[0], min(room, first[1] * len(letters) / (len(letters) + 1)))
    return max(0.0, end - long_s * len(letters)), end


def _end_of_known(before: Interval, own_end: float, size: int, letters: Sequence[int], after: float) -> float:
    """Where a known token ends that unknown ones follow, up to the start of another."""
    start, end = before
    share = start + max(0.0, after - start) * size / (size + sum(letters))
    own = min(own_end, after - LEAST_S * len(letters))
    return min(max(share, own), max(end, share))


def _shared(start: float, end: float, letters: Sequence[int]) -> list[Interval]:
    """A stretch of time in parts by their letters."""
    edges = start + (end - start) * np.cumsum([0, *letters]) / sum(letters)
    return [(float(left), float(right)) for left, right in pairwise(edges)]
