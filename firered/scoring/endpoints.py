"""Ends of speech that a live recogniser found, against those of the reference."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from firered.scoring.inputs.labels import Span
from firered.scoring.inputs.live import SPEECH_END, Event, Stream


@dataclass
class Endpoints:
    """The delays of ends of speech in seconds of the stream, and what else became of them.

    Attributes:
        delays_s: from the end of speech in the reference to what had been heard when it was given out as ended, by the
            line of the event.
        clock_delays_s: the same to the clock, where that is known.
        early: ends that were given out while the reference's speech went on.
        extra: ends where the reference's speech had not begun, or had been given out as ended before.
        missed: ends of the reference that were not given out.
    """

    delays_s: dict[int, float] = field(default_factory=dict)
    clock_delays_s: list[float] = field(default_factory=list)
    early: int = 0
    extra: int = 0
    missed: int = 0

    def add(self, other: "Endpoints") -> None:
        """Count those of another recording, too."""
        self.delays_s |= other.delays_s
        self.clock_delays_s += other.clock_delays_s
        self.early += other.early
        self.extra += other.extra
        self.missed += other.missed


def without_short_pauses(spans: Iterable[Span], pause_s: float) -> list[Span]:
    """The stretches of speech in order, as one where the pause between them is shorter than `pause_s`.

    Those that go on to the end of a recording, wherever that is, are left out: their end is not known.
    """
    joined: list[Span] = []
    for start_s, end_s in sorted(span for span in spans if math.isfinite(span[1])):
        if joined and start_s - joined[-1][1] < pause_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def endpoints(stream: Stream, speech: Sequence[Span]) -> Endpoints:
    """How long the ends of speech took.

    An end is of the last stretch of the reference that begins before the time that it gives for the end.

    Args:
        stream: of a recording.
        speech: stretches of the reference, in order and apart from each other.
    """
    found = Endpoints()
    starts = [start_s for start_s, _ in speech]
    ended: set[int] = set()
    in_real_time = stream.in_real_time()
    for event in stream.events:
        if event.name != SPEECH_END:
            continue
        at = bisect_right(starts, event.time_s) - 1
        if at < 0 or at in ended:
            found.extra += 1
        elif event.heard_s < speech[at][1]:
            found.early += 1
        else:
            ended.add(at)
            found.delays_s[event.number] = event.heard_s - speech[at][1]
            if in_real_time and event.clock_s is not None:
                found.clock_delays_s.append(event.clock_s - speech[at][1])
    found.missed = len(speech) - len(ended)
    return found


def ends_of_segments(stream: Stream) -> dict[int, Event]:
    """The end of speech that closed each segment, by its number; segments that were closed otherwise have none.

    An end that does not say which segment it is of is of the first one whose final comes after it and has none.
    """
    ends = [event for event in stream.events if event.name == SPEECH_END]
    found = {event.segment: event for event in ends if event.segment is not None}
    finals = sorted((final.number, number) for final in stream.finals() if (number := final.segment) is not None)
    for event in ends:
        if event.segment is None:
            after = (number for line, number in finals if line > event.number and number not in found)
            if (number := next(after, None)) is not None:
                found[number] = event
    return found
