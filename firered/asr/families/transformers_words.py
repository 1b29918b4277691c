"""Word times from those of a text's tokens, whatever their tokenizer, and the alignment of tokens to attention."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firered.results import Word
from firered.text.timed_words import word_spans

_SHORTEST_MS = 20  # of a word, where the audio has room for that
_FILTER = 7  # frames of the median over attention (Whisper's published word times)


@dataclass(frozen=True)
class Piece:
    """A token of a text: when it was said, in seconds, and its probability."""

    start_s: float
    end_s: float
    probability: float


def char_ends(ids: Sequence[int], decode: Callable[[Sequence[int]], str], text: str) -> list[int]:
    """For each token the number of characters of the text that are written when it is.

    By decoding ever more tokens: a token that ends within a character, as byte pairs do, adds nothing yet.

    Args:
        ids: the tokens.
        decode: ids to text.
        text: what all of them decode to.
    """
    ends: list[int] = []
    at = 0
    for count in range(1, len(ids) + 1):
        begun = decode(ids[:count])
        same = at
        while same < min(len(begun), len(text)) and begun[same] == text[same]:
            same += 1
        at = max(at, same)
        ends.append(at)
    if ends:
        ends[-1] = len(text)
    return ends


def words_of(text: str, pieces: Sequence[Piece], ends: Sequence[int], duration_s: float) -> list[Word]:
    """The words of a text with the times of their tokens: rising, inside the audio, none without length.

    Args:
        text: without white space around it.
        pieces: its tokens.
        ends: see `char_ends`.
        duration_s: of the audio.
    """
    spans = word_spans(text)
    stretches = _stretches(pieces, ends)
    starts_s, ends_s, scores = [], [], []
    for start, end in spans:
        own = [part for part in stretches if max(part.first, start) < min(part.end, end)]
        starts_s.append(own[0].at(max(start, own[0].first)) if own else math.nan)
        ends_s.append(own[-1].at(min(end, own[-1].end)) if own else math.nan)
        scores.append(sum(part.score for part in own) / len(own) if own else None)
    times = rising(_filled(starts_s), _filled(ends_s), duration_s)
    return [Word(text[start:end], *time, score) for (start, end), time, score in zip(spans, times, scores, strict=True)]


@dataclass(frozen=True)
class _Stretch:
    """Characters [first, end) that one or more tokens write, and when."""

    first: int
    end: int
    start_s: float
    end_s: float
    score: float

    def at(self, place: int) -> float:
        """The time in seconds at which the characters up to a place are said."""
        share = (place - self.first) / (self.end - self.first)
        return self.start_s + share * (self.end_s - self.start_s)


def _stretches(pieces: Sequence[Piece], ends: Sequence[int]) -> list[_Stretch]:
    found: list[_Stretch] = []
    at, waiting = 0, []
    for piece, end in zip(pieces, ends, strict=True):
        waiting.append(piece)
        if end == at:
            continue  # a part of a character, which the next token ends
        score = sum(math.log(max(part.probability, 1e-30)) for part in waiting) / len(waiting)
        found.append(_Stretch(at, end, waiting[0].start_s, waiting[-1].end_s, score))
        at, waiting = end, []
    return found


def _filled(times_s: list[float]) -> list[float]:
    """The times, with that of the one before where there is none."""
    at_s = 0.0
    filled = []
    for time_s in times_s:
        at_s = at_s if math.isnan(time_s) else time_s
        filled.append(at_s)
    return filled


def rising(starts_s: Sequence[float], ends_s: Sequence[float], duration_s: float) -> list[tuple[float, float]]:
    """Starts and ends in whole milliseconds that rise, inside the audio, each end after its start.

    They stay as they are where they do already. Where the audio is too short for a millisecond each, they are spread.
    """
    count, room = len(starts_s), math.floor(1000 * duration_s)
    if count > room:
        return [(duration_s * n / count, duration_s * (n + 1) / count) for n in range(count)]
    least = max(1, min(_SHORTEST_MS, room // max(1, count)))
    begins, stops, at = [], [], 0
    for start_s, end_s in zip(starts_s, ends_s, strict=True):
        begin = max(at, round(1000 * start_s))
        at = max(begin + least, round(1000 * end_s))
        begins.append(begin)
        stops.append(at)
    latest = room
    for n in reversed(range(count)):  # back from the end, what was pushed beyond it
        stops[n] = min(stops[n], latest)
        begins[n] = latest = min(begins[n], stops[n] - least)
    return [(begin / 1000, stop / 1000) for begin, stop in zip(begins, stops, strict=True)]


def token_starts(attention: Tensor) -> list[int]:
    """The frame at which each of T tokens begins, by the best monotonic path through attention.

    The published way of Whisper's word times: each head's weights are standardised over the tokens and smoothed over
    the frames, and the path is that of dynamic time warping through the mean of the heads.

    Args:
        attention: (heads, T, frames), each row sums to one.
    """
    std, mean = torch.std_mean(attention, dim=1, keepdim=True, unbiased=False)
    smooth = _median((attention - mean) / std.clamp(min=1e-10))
    return _path_starts(-smooth.mean(0).double().numpy())


def _median(weights: Tensor) -> Tensor:
    """The median over the last axis, reflected at the ends."""
    half = _FILTER // 2
    if weights.shape[-1] <= half:
        return weights
    padded = torch.nn.functional.pad(weights, (half, half), mode="reflect")
    return padded.unfold(-1, _FILTER, 1).median(-1).values


def _path_starts(cost: np.ndarray) -> list[int]:
    """The first column of each row on the cheapest path from corner to corner of costs (T, frames)."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    step = np.zeros((rows + 1, columns + 1), np.int8)  # 0: both, 1: a row, 2: a column
    for diagonal in range(2, rows + columns + 1):  # all cells of a diagonal depend on those before it alone
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        ways = np.stack([total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]])
        best = np.where((ways[0] < ways[1]) & (ways[0] < ways[2]), 0, np.where(ways[1] < ways[2], 1, 2))
        step[row, column] = best
        total[row, column] = cost[row - 1, column - 1] + ways[best, np.arange(len(row))]
    starts = [0] * rows
    row, column = rows, columns
    while row > 0 and column > 0:
        starts[row - 1] = column - 1
        way = step[row, column]
        row, column = row - (way != 2), column - (way != 1)
    return starts
