"""What the modules return: plain dataclasses, with the published JSON fields."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firered.vad_post import StreamEvent

Seconds = tuple[float, float]


@dataclass
class VadResult:
    """Voice segments of one recording, in seconds; `probs` are the frame posteriors, (T, 1) float32."""

    uttid: str
    dur: float
    timestamps: list[Seconds]
    probs: np.ndarray = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The published fields."""
        return {"uttid": self.uttid, "dur": self.dur, "timestamps": [list(t) for t in self.timestamps]}

    def labelled(self) -> list[tuple[float, float, str]]:
        """(start, end, label) of every segment, in order."""
        return [(*span, "speech") for span in self.timestamps]


@dataclass
class MvadResult:
    """Segments of each event in seconds and the share of frames with it; `probs` (T, 3) float32."""

    uttid: str
    dur: float
    event2timestamps: dict[str, list[Seconds]]
    event2ratio: dict[str, float]
    probs: np.ndarray = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The published fields."""
        spans = {event: [list(t) for t in found] for event, found in self.event2timestamps.items()}
        return {"uttid": self.uttid, "dur": self.dur, "event2timestamps": spans, "event2ratio": self.event2ratio}

    def labelled(self) -> list[tuple[float, float, str]]:
        """(start, end, event) of every segment, in order of time."""
        return sorted((*span, event) for event, spans in self.event2timestamps.items() for span in spans)


@dataclass
class StreamVadResult(VadResult):
    """Voice segments as the streaming detector found them, and its events in the order they became known."""

    events: list[StreamEvent] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The published fields and the events."""
        return {**super().to_json(), "events": [event.to_json() for event in self.events]}
