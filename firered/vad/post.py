"""From frame posteriors to segments: the released rules, for whole recordings and frame by frame.

Everything counts in frames of 10 ms and works on whole arrays or on runs of equal decisions, never frame by frame,
except for the stream, whose events must be known at their frame.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from firered.audio.framing import FRAME_LENGTH_S, FRAME_SHIFT, SAMPLE_RATE
from firered.results import StreamEvent, StreamFrame
from firered.vad.config import StreamVadConfig

Interval = tuple[int, int]  # first frame, first frame after it
_SHIFT_MS = 1000 * FRAME_SHIFT // SAMPLE_RATE


@dataclass(frozen=True)
class SegmentRules:
    """Post-processing of one event's posteriors; `firered.vad.config.VadConfig` documents each number."""

    threshold: float
    smooth_window_size: int
    min_speech_frame: int
    max_speech_frame: int
    min_silence_frame: int
    merge_silence_frame: int
    extend_speech_frame: int


def smooth(probs: np.ndarray, window: int) -> np.ndarray:
    """(T,) moving average over the current and the `window - 1` frames before it (fewer at the start)."""
    if window <= 1 or len(probs) == 0:
        return probs.astype(np.float64)
    # Shifted sums rather than a cumulative one: every frame depends on its own window only, to the last bit.
    total = np.zeros(len(probs))
    for shift in range(min(window, len(probs))):
        total[shift:] += probs[: len(probs) - shift]
    started = min(window, len(probs))
    total[:started] /= np.arange(1, started + 1)
    total[started:] /= window
    return total


def runs(decisions: np.ndarray) -> Iterator[tuple[bool, int, int]]:
    """(value, first, first after) of every run of equal decisions (T,)."""
    if len(decisions) == 0:
        return
    edges = np.flatnonzero(decisions[1:] != decisions[:-1]) + 1
    starts = [0, *edges.tolist()]
    for start, end in zip(starts, [*starts[1:], len(decisions)], strict=True):
        yield bool(decisions[start]), start, end


def confirm(decisions: np.ndarray, min_speech: int, min_silence: int) -> list[Interval]:
    """Confirmed speech.

    A run counts once it has lasted `min_speech` frames after its first, and ends `min_silence` frames after the
    first frame of a silence that lasts longer than that; those frames stay speech.
    """
    found: list[Interval] = []
    begin: int | None = None
    for speech, start, end in runs(decisions):
        if speech and begin is None and end - start > min_speech:
            begin = start
        elif not speech and begin is not None and end - start > min_silence:
            found.append((begin, start + min_silence))
            begin = None
    if begin is not None:
        found.append((begin, len(decisions)))
    return found


def join(intervals: list[Interval], max_gap: int = 0) -> list[Interval]:
    """Intervals in order, those that touch, overlap or lie at most `max_gap` frames apart joined."""
    joined: list[Interval] = []
    for start, end in intervals:
        if joined and start - joined[-1][1] <= max_gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def grow(intervals: list[Interval], before: int, after: int, total: int) -> list[Interval]:
    """Every interval longer by `before` and `after` frames, inside [0, total), joined where they now meet."""
    return join([(max(0, start - before), min(total, end + after)) for start, end in intervals])


def cut_long(intervals: list[Interval], probs: np.ndarray, max_speech: int) -> list[Interval]:
    """Segments of at most `max_speech` frames.

    Longer ones lose the least likely frame in the second half of each stretch of `max_speech` frames.
    """
    pieces: list[Interval] = []
    for start, end in intervals:
        while end - start > max_speech:
            first = start + max_speech // 2
            cut = first + int(np.argmin(probs[first : start + max_speech]))
            pieces.append((start, cut))
            start = cut + 1
        pieces.append((start, end))
    return pieces


def segment(probs: np.ndarray, rules: SegmentRules) -> list[Interval]:
    """Segments, in frames, of one event's posteriors (T,)."""
    decisions = smooth(probs, rules.smooth_window_size) >= rules.threshold
    found = confirm(decisions, rules.min_speech_frame, rules.min_silence_frame)
    found = grow(found, rules.smooth_window_size, 0, len(probs))
    found = join(found, rules.merge_silence_frame - 1)
    found = grow(found, rules.extend_speech_frame, rules.extend_speech_frame, len(probs))
    return cut_long(found, probs, rules.max_speech_frame)


def to_seconds(intervals: list[Interval], total: int, duration_s: float) -> list[tuple[float, float]]:
    """Start and end in seconds, rounded to 3 decimals; what reaches the last of `total` frames ends with the audio."""
    last = min(total * _SHIFT_MS / 1000 + FRAME_LENGTH_S, duration_s)  # a quirk of the published models: not 15 ms
    return [
        (round(start * _SHIFT_MS / 1000, 3), round(last if end >= total else end * _SHIFT_MS / 1000, 3))
        for start, end in intervals
    ]


class StreamSegmenter:
    """Finds starts and ends of speech frame by frame, and keeps the segments found so far."""

    def __init__(self, config: StreamVadConfig) -> None:
        self.config = config
        self.frame = 0
        self.intervals: list[Interval] = []  # closed segments: start and end frame, from 1
        self._window: deque[float] = deque(maxlen=max(1, config.smooth_window_size))
        self._speech_run = self._silence_run = 0
        self._start: int | None = None  # of the open segment
        self._length_from = 0  # first frame that counts for max_speech_frame
        self._last_end = 0
        self._reopen = False
        self._smoothed, self._speech = 0.0, False  # of the last frame

    def accept(self, prob: float) -> list[StreamEvent]:
        """Events that become known with the next frame's posterior."""
        self.frame += 1
        self._window.append(prob)
        self._smoothed = sum(self._window) / len(self._window)
        self._speech = speech = self._smoothed >= self.config.speech_threshold
        self._speech_run = self._speech_run + 1 if speech else 0
        self._silence_run = 0 if speech else self._silence_run + 1
        if self._reopen:
            self._reopen = False
            return [self._open(self.frame)]
        if self._start is None:
            return self._confirm_speech()
        return self._check_end(speech)

    def _confirm_speech(self) -> list[StreamEvent]:
        if self._speech_run < self.config.min_speech_frame:
            return []
        first = self.frame - self._speech_run + 1
        pad = max(self.config.smooth_window_size, self.config.pad_start_frame)
        event = self._open(max(1, first - pad, self._last_end + 1))
        self._length_from = first
        return [event]

    def _check_end(self, speech: bool) -> list[StreamEvent]:
        # An end is forced on a frame of speech only, and the next frame opens a segment. One that got too long in a
        # pause is cut at the next frame of speech, or ends with the pause.
        self._reopen = speech and self.frame - self._length_from + 1 >= self.config.max_speech_frame
        if not self._reopen and self._silence_run < self.config.min_silence_frame:
            return []
        return [self._close()]

    def _open(self, start: int) -> StreamEvent:
        self._start = self._length_from = start
        return StreamEvent("start", self.frame, start)

    def _close(self) -> StreamEvent:
        if self._start is None:
            raise ValueError("there is no open segment to close")
        start, self._start = self._start, None
        self._last_end = self.frame
        self._speech_run = 0
        self.intervals.append((start, self.frame))
        return StreamEvent("end", self.frame, start, self.frame)

    def decided(self, prob: float) -> StreamFrame:
        """The last frame's posterior, as it was accepted and smoothed, and whether it counts as speech."""
        return StreamFrame(self.frame, prob, self._smoothed, self._speech)

    def finish(self) -> list[StreamEvent]:
        """The end, at the last frame, of a segment that is open: no more frames come."""
        return [] if self._start is None else [self._close()]

    def timestamps(self) -> list[tuple[float, float]]:
        """Seconds of all segments so far; one that is still open ends at the last frame."""
        still_open = [] if self._start is None else [(self._start, self.frame)]
        return [((start - 1) / 100, (end - 1) / 100) for start, end in self.intervals + still_open]
