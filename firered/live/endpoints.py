"""Where live segments begin and end, by the streaming detector's events: `Endpoints`.

Frames are 10 ms and counted from 0 here: a segment of the frames [start, end) lies between start / 100 and end / 100 s.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from firered.live.config import LiveConfig
from firered.results import StreamEvent, StreamFrame
from firered.vad.config import StreamVadConfig

FRAMES_A_SECOND = 100
# As published with Fun-ASR's service: silence in seconds that ends a segment of so many seconds at most.
FALLING = ((5, 2.0), (10, 1.5), (15, 1.0), (30, 0.8), (45, 0.4), (float("inf"), 0.1))


class Change(NamedTuple):
    """A segment begins (`start`), ends (`end`), or ends here while the next one begins here (`cut`), in seconds."""

    kind: str
    time_s: float


Quietest = Callable[[int, int], int]  # the quietest frame in [first, end)


class Endpoints:
    """Follows the detector frame by frame.

    A segment starts `lead_s` before the detector's start, but not before the end of the one before. It ends with the
    detector's end, which lies `min_silence_frame` after the last frame of speech; where more silence is asked for, not
    before that has passed, and speech that begins in it belongs to the segment. One that gets too long is cut while
    there is speech.

    Args:
        config: silence, lead and greatest length.
        vad: options of the detector.
        quietest: finds the place for a cut.
    """

    def __init__(self, config: LiveConfig, vad: StreamVadConfig, quietest: Quietest) -> None:
        self._config, self._quietest = config, quietest
        self._own_silence = vad.min_silence_frame
        self._lead = frames_of(config.lead_s)
        # How far back a start may lie when it becomes known.
        self._back = self._lead + vad.min_speech_frame + max(vad.pad_start_frame, vad.smooth_window_size) + 1
        self._longest, self._within = frames_of(config.max_segment_s), frames_of(config.cut_s)
        self._last_end = 0
        self.start: int | None = None  # of the open segment
        self._ended: int | None = None  # the detector's end of it, while more silence is waited for
        self._silent = 0  # frames without speech so far

    def accept(self, frame: StreamFrame, events: Sequence[StreamEvent]) -> list[Change]:
        """What changes with the next frame, of which these are the events."""
        changes: list[Change] = []
        now = frame.frame
        self._silent = 0 if frame.speech else self._silent + 1
        for event in events:
            changes += self._take(event, now)
        if self.start is None:
            return changes
        if self._ended is not None:
            silence = now - self._ended - 1 + self._own_silence
            if not frame.speech and silence >= self._needed(self._ended - self.start):
                changes.append(self._close(self._ended / FRAMES_A_SECOND))
        elif frame.speech and now - self.start >= self._longest:
            changes.append(self._cut(now))
        return changes

    def finish(self, end_s: float) -> list[Change]:
        """What changes with the end of the audio, with which a segment ends that is still in speech."""
        if self.start is None:
            return []
        return [self._close(end_s if self._ended is None else self._ended / FRAMES_A_SECOND)]

    @property
    def speaking(self) -> bool:
        """Whether a segment is open that the detector has not ended."""
        return self.start is not None and self._ended is None

    def needed_from(self, now: int) -> int:
        """The first frame that a segment may still want, when all before `now` are heard."""
        return max(self._last_end, now - self._back) if self.start is None else self.start

    def _take(self, event: StreamEvent, now: int) -> list[Change]:
        if event.kind == "end":
            if self._silent >= self._own_silence:  # else it was forced by the detector's own greatest length
                self._ended = event.end_frame - 1
            return []
        changes: list[Change] = []
        if self.start is not None:
            if self._ended is None or now - self.start < self._longest:  # the speech goes on
                self._ended = None
                return []
            changes.append(self._close(self._ended / FRAMES_A_SECOND))
        self.start = max(event.start_frame - 1 - self._lead, self._last_end, 0)
        return [*changes, Change("start", self.start / FRAMES_A_SECOND)]

    def _close(self, end_s: float) -> Change:
        self.start, self._ended, self._last_end = None, None, math.ceil(end_s * FRAMES_A_SECOND - 1e-6)
        return Change("end", end_s)

    def _cut(self, now: int) -> Change:
        self.start = self._last_end = self._quietest(now - self._within, now)
        return Change("cut", self.start / FRAMES_A_SECOND)

    def _needed(self, length: int) -> int:
        """Frames of silence that end a segment of so many frames."""
        seconds = self._config.silence_s
        if self._config.falling_silence:
            falling_s = next(silence_s for most_s, silence_s in FALLING if length <= most_s * FRAMES_A_SECOND)
            seconds = max(seconds, falling_s)
        return max(self._own_silence, frames_of(seconds))


def frames_of(seconds: float) -> int:
    """Frames of a time."""
    return round(seconds * FRAMES_A_SECOND)
