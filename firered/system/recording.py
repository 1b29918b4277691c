"""A recording whose segments are known: `Recording`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from firered.audio.spool import Spool
from firered.errors import Outcome
from firered.results import Event, Seconds, Transcript, VadResult
from firered.runtime.context import Context
from firered.system.assemble import Segment, transcript
from firered.system.stretches import Stretch


class Voice(NamedTuple):
    """A stretch of voice in seconds, and the mean of the detector's posteriors in it; None without a detector."""

    span: Seconds
    probability: float | None = None


def voice_of(result: VadResult) -> list[Voice]:
    """The stretches that a detector has found."""
    found = []
    for span in result.timestamps:
        probs = result.probs[round(100 * span[0]) : round(100 * span[1])]  # frames of 10 ms
        found.append(Voice(span, float(probs.mean()) if probs.size else None))
    return found


@dataclass
class Recording:
    """A recording's frames, its stretches of voice, its events, and what the recogniser is given with each."""

    spool: Spool
    voice: Sequence[Voice]
    events: Sequence[Event]
    context: Context
    segments: list[Stretch] = field(init=False)

    def __post_init__(self) -> None:
        self.segments = [Stretch(self.spool, found.span, self.context) for found in self.voice]

    def transcript(self, segments: Sequence[Segment]) -> Transcript:
        """The transcript, of what the modules made of its segments, in their order."""
        return transcript(self.spool, segments, self.events)

    def close(self) -> None:
        """Remove its files."""
        self.spool.close()


def voiced_s(recording: Outcome[Recording]) -> float:
    """Seconds of voice in a recording; none in one that could not be read."""
    return 0.0 if isinstance(recording, Exception) else sum(stretch.duration_s for stretch in recording.segments)
