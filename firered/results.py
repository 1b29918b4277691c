"""What the modules return: plain dataclasses, with the published JSON fields."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Word:
    """A word, or a Chinese character, lower-case, and when it was said in seconds from the utterance's start."""

    text: str
    start_s: float
    end_s: float


_SHIFT_MS = 10
_WINDOW_REST_S = 0.025  # the published models let the last frame of a recording stand for this long after its shift


@dataclass(frozen=True)
class StreamEvent:
    """A start or an end of speech, known at `frame`. Frames count from 1; an end names the start it belongs to."""

    kind: str  # "start" or "end"
    frame: int
    start_frame: int
    end_frame: int = -1

    @property
    def time_s(self) -> float:
        """Where on the time axis the event lies, in seconds."""
        return ((self.start_frame if self.kind == "start" else self.end_frame) - 1) / 100

    @property
    def known_at_s(self) -> float:
        """End of the window of the frame at which the event was known, in seconds."""
        return round((self.frame - 1) * _SHIFT_MS / 1000 + _WINDOW_REST_S, 3)

    def to_json(self) -> dict[str, Any]:
        """Type, place in seconds, when it was known, and the frames behind them."""
        return {
            "event": f"speech_{self.kind}",
            "time": self.time_s,
            "known_at": self.known_at_s,
            "frame": self.frame,
            "start_frame": self.start_frame,
            "end_frame": self.end_frame,
        }


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
class LanguageGuess:
    """One of an utterance's likeliest languages; of Chinese also its likeliest dialects with their probabilities."""

    language: str
    probability: float
    dialects: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All fields, `dialects` only where there are any; probabilities rounded to 4 decimals."""
        out: dict[str, Any] = {"language": self.language, "probability": round(self.probability, 4)}
        if self.dialects:
            out["dialects"] = {name: round(probability, 4) for name, probability in self.dialects.items()}
        return out


@dataclass
class LidResult:
    """The language of one utterance: `lang` as decoded, such as `zh mandarin`, and what else it may have been."""

    uttid: str
    lang: str
    language: str
    dialect: str | None
    confidence: float
    dur_s: float
    top: list[LanguageGuess]

    def to_json(self) -> dict[str, Any]:
        """The published fields, language and dialect apart, and the likeliest languages."""
        return {
            "uttid": self.uttid,
            "lang": self.lang,
            "language": self.language,
            "dialect": self.dialect,
            "confidence": round(self.confidence, 3),
            "dur_s": round(self.dur_s, 3),
            "top": [guess.to_json() for guess in self.top],
        }

    to_record = to_json


class _Hypothesis:
    """What is the same about hypotheses, whatever parts their scores have."""

    def to_json(self) -> dict[str, Any]:
        """All fields, numbers rounded to 4 decimals (confidence to 3, as everywhere)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _rounded(name, value) if isinstance(value, float) else value for name, value in values.items()}


def _rounded(name: str, value: float) -> float:
    return round(value, 3 if name == "confidence" else 4)


@dataclass
class NBest(_Hypothesis):
    """One of an utterance's best hypotheses with the parts of its score: (aed + lm) / length."""

    text: str
    tokens: list[str]
    score: float
    aed: float
    lm: float
    length: float
    confidence: float


@dataclass
class LlmNBest(_Hypothesis):
    """One of the LLM variant's best hypotheses with the parts of its score: llm / length."""

    text: str
    tokens: list[str]
    score: float
    llm: float
    length: float
    confidence: float


@dataclass
class AsrResult:
    """What was said in one utterance.

    `words` are in seconds from its start, None where no time stamps were asked for; `nbest` is empty for an utterance
    that was decoded in windows. `flags` are reasons to doubt the text (see `firered.asr.guard`); `dropped` is the text
    itself where it was taken out for them; `ctc_text` what a CTC head reads in the utterance, where one was asked.
    `context_used` names the fields of the utterance's context that the recogniser made use of.
    """

    uttid: str
    text: str
    confidence: float
    dur_s: float
    tokens: list[str]
    token_confidence: list[float]
    words: "list[Word] | None" = None
    nbest: list[NBest] | list[LlmNBest] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    dropped: str = ""
    ctc_text: str | None = None
    context_used: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The published fields; `timestamp` only where time stamps were asked for, `flags` where there are any."""
        out = {
            "uttid": self.uttid,
            "text": self.text,
            "confidence": round(self.confidence, 3),
            "dur_s": round(self.dur_s, 3),
        }
        if self.words is not None:
            out["timestamp"] = [[word.text, word.start_s, word.end_s] for word in self.words]
        if self.flags:
            out["flags"] = self.flags
        if self.dropped:
            out["dropped"] = self.dropped
        return out

    def to_record(self) -> dict[str, Any]:
        """Everything that the output files are written from."""
        return {
            "json": self.to_json(),
            "tokens": self.tokens,
            "token_confidence": [round(prob, 3) for prob in self.token_confidence],
            "nbest": [hypothesis.to_json() for hypothesis in self.nbest],
        }


@dataclass
class Sentence:
    """A punctuated sentence and when it was said: from its first word's start to its last word's end."""

    text: str
    start_s: float
    end_s: float

    def to_json(self) -> dict[str, Any]:
        """The published fields."""
        return {"punc_text": self.text, "start_s": self.start_s, "end_s": self.end_s}


@dataclass
class PuncResult:
    """A text with punctuation; of words with times also its `sentences`, else None."""

    uttid: str
    origin_text: str
    punc_text: str
    sentences: list[Sentence] | None = None

    def to_json(self) -> dict[str, Any]:
        """The published fields, which are the text or the sentences."""
        if self.sentences is None:
            return {"punc_text": self.punc_text, "origin_text": self.origin_text, "uttid": self.uttid}
        return {"punc_sentences": [one.to_json() for one in self.sentences], "uttid": self.uttid}

    def to_record(self) -> dict[str, Any]:
        """Everything that the output files are written from."""
        sentences = self.sentences and [{"text": s.text, "start": s.start_s, "end": s.end_s} for s in self.sentences]
        return {"text": self.punc_text, "sentences": sentences}
