"""What the modules return: plain dataclasses, with the published JSON fields."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from firered.vad_post import StreamEvent

if TYPE_CHECKING:
    from firered.align import Word

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


@dataclass
class NBest:
    """One of an utterance's best hypotheses with the parts of its score: (aed + lm) / length."""

    text: str
    tokens: list[str]
    score: float
    aed: float
    lm: float
    length: float
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """All fields, numbers rounded to 4 decimals (confidence to 3, as everywhere)."""
        parts = {name: round(getattr(self, name), 4) for name in ("score", "aed", "lm", "length")}
        return {"text": self.text, "tokens": self.tokens, **parts, "confidence": round(self.confidence, 3)}


@dataclass
class AsrResult:
    """What was said in one utterance.

    `words` are in seconds from its start, None where no time stamps were asked for; `nbest` is empty for an utterance
    that was decoded in windows.
    """

    uttid: str
    text: str
    confidence: float
    dur_s: float
    tokens: list[str]
    token_confidence: list[float]
    words: "list[Word] | None" = None
    nbest: list[NBest] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The published fields; `timestamp` only where time stamps were asked for."""
        out = {
            "uttid": self.uttid,
            "text": self.text,
            "confidence": round(self.confidence, 3),
            "dur_s": round(self.dur_s, 3),
        }
        if self.words is not None:
            out["timestamp"] = [[word.text, word.start_s, word.end_s] for word in self.words]
        return out

    def to_record(self) -> dict[str, Any]:
        """Everything that the output files are written from."""
        return {
            "json": self.to_json(),
            "tokens": self.tokens,
            "token_confidence": [round(prob, 3) for prob in self.token_confidence],
            "nbest": [hypothesis.to_json() for hypothesis in self.nbest],
        }
