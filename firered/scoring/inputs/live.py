"""live.jsonl read: what a live recogniser gave out, line by line in the order in which it did."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firered.data.datadir import BadLines
from firered.data.lines import bytes_of, numbered
from firered.errors import DataError, Problem
from firered.results import Word
from firered.text.joining import join_texts

LIVE = "live.jsonl"
PARTIAL, FINAL, EVENT = KINDS = ("partial", "final", "event")
SPEECH_START, SPEECH_END = EVENTS = ("speech_start", "speech_end")
_ROUNDING_S = 0.001
_AHEAD_S = 0.01  # that the clock may be before what was heard, by rounding, in a stream in real time
_When = tuple[int, float, float | None, int | None]  # number, heard_s, clock_s, segment


@dataclass(frozen=True)
class Given:
    """When something was given out.

    Attributes:
        number: of its line.
        heard_s: seconds of the stream that had been received.
        clock_s: seconds on the clock since the first sample of the stream; None: not measured.
        segment: number of the segment that it is of; None, of events only: not said.
    """

    number: int
    heard_s: float
    clock_s: float | None
    segment: int | None


@dataclass(frozen=True)
class Text(Given):
    """A partial or final text of a segment, and the stretch of the stream that it is of.

    Attributes:
        start_s: where the stretch begins in the stream.
        end_s: where it ends.
        text: all of it.
        stable: its beginning that is said to change no more; of a final all of it.
        words: with times in the stream, if they are known.
    """

    start_s: float
    end_s: float
    text: str
    stable: str
    words: tuple[Word, ...]

    @property
    def timed(self) -> tuple[Word, ...]:
        """Its words; where they are not known, all of it as one word over its stretch."""
        return self.words or (Word(self.text, self.start_s, self.end_s),)


@dataclass(frozen=True)
class Event(Given):
    """The start or the end of speech, at `time_s` of the stream."""

    name: str
    time_s: float


@dataclass
class LiveSegment:
    """A segment's partials in order, and its final; None where the stream ended without one."""

    partials: list[Text] = field(default_factory=list)
    final: Text | None = None


@dataclass
class Stream:
    """All that was given out about one recording, in order."""

    segments: dict[int, LiveSegment] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)

    def in_real_time(self) -> bool | None:
        """Whether the clock was never before what had been heard; None where not every line has a clock."""
        lags = [given.clock_s - given.heard_s for given in self.given if given.clock_s is not None]
        return min(lags) >= -_AHEAD_S if lags and len(lags) == len(self.given) else None

    def finals(self) -> list[Text]:
        """The finals in order of time."""
        finals = [segment.final for segment in self.segments.values() if segment.final]
        return sorted(finals, key=lambda final: (final.start_s, final.segment))

    def text(self) -> str:
        """The text of all finals."""
        return join_texts(final.text.strip() for final in self.finals())

    def add(self, line: Given, *, final: bool) -> None:
        """Take one line up.

        Raises:
            ValueError: it cannot follow what came before it.
        """
        if self.given:
            self._check_order(self.given[-1], line)
        if isinstance(line, Text) and line.segment is not None:
            segment = self.segments.setdefault(line.segment, LiveSegment())
            if segment.final:
                raise ValueError(f"segment {line.segment} had its final on line {segment.final.number}")
            if final:
                segment.final = line
            else:
                segment.partials.append(line)
        elif isinstance(line, Event):
            self.events.append(line)
        self.given.append(line)

    @staticmethod
    def _check_order(before: Given, line: Given) -> None:
        for name in ("heard_s", "clock_s"):
            earlier, later = getattr(before, name), getattr(line, name)
            if earlier is not None and later is not None and later < earlier - _ROUNDING_S:
                raise ValueError(f"{name} {later:g} is before {earlier:g} of line {before.number}")


def read_live(path: Path) -> tuple[dict[str, Stream], list[Problem]]:
    """The streams of live.jsonl (a file, or in a folder) by recording, and the lines that cannot be used.

    Raises:
        DataError: there is no such file, or no line of it can be used.
    """
    file = path / LIVE if path.is_dir() else path
    problems: list[Problem] = []
    streams: dict[str, Stream] = {}
    bad = BadLines(file, problems)
    for number, text, fault in numbered(bytes_of(file)):
        try:
            if fault:
                raise ValueError(fault)
            recording, line, final = _parsed(number, text)
            streams.setdefault(recording, Stream()).add(line, final=final)
        except ValueError as error:
            bad.add(number, str(error))
    streams = {recording: stream for recording, stream in streams.items() if stream.given}
    if not streams:
        raise DataError(f"{file}: no line of a live recogniser; {_first(problems)}")
    return streams, problems


def _first(problems: Iterable[Problem]) -> str:
    return next((problem.reason for problem in problems), "it is empty")


def _parsed(number: int, text: str) -> tuple[str, Given, bool]:
    """The recording of a line, what it says, and whether that is a final; ValueError says what is wrong with it."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ValueError(f"no JSON ({error})") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    recording, kind = _text(fields, "reco"), fields.get("kind")
    if recording.split() != [recording]:
        raise ValueError(f"reco {recording!r} is no id")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    clock_s = None if fields.get("clock_s") is None else _seconds(fields, "clock_s")
    of_segment = kind != EVENT or fields.get("segment") is not None
    when = (number, _seconds(fields, "heard_s"), clock_s, _segment(fields) if of_segment else None)
    if kind != EVENT:
        return recording, _recognised(fields, when, final=kind == FINAL), kind == FINAL
    if fields.get("event") not in EVENTS:
        raise ValueError(f"event {fields.get('event')!r} is not one of {', '.join(EVENTS)}")
    return recording, Event(*when, fields["event"], _seconds(fields, "time_s")), False


def _recognised(fields: Mapping[str, Any], when: _When, *, final: bool) -> Text:
    start_s, end_s = _stretch(fields)
    words = tuple(_words(fields.get("words") or ()))
    if final:
        text = _text(fields, "text", empty_ok=True)
        return Text(*when, start_s, end_s, text, text, words)
    stable, unstable = (_text(fields, name, empty_ok=True) for name in ("stable", "unstable"))
    text = join_texts((stable, unstable))
    if fields.get("text") is not None:
        text = _text(fields, "text", empty_ok=True)
        if not text.startswith(stable):
            raise ValueError(f"text does not begin with stable: {text!r}, {stable!r}")
    return Text(*when, start_s, end_s, text, stable, words)


def _words(given: object) -> Iterator[Word]:
    if not isinstance(given, list | tuple):
        raise ValueError("words is not a list")
    for word in given:
        if not isinstance(word, dict):
            raise ValueError(f"{word!r} in words is not an object")
        yield Word(_text(word, "text"), *_stretch(word))


def _stretch(fields: Mapping[str, Any]) -> tuple[float, float]:
    start_s, end_s = _seconds(fields, "start_s"), _seconds(fields, "end_s")
    if end_s < start_s:
        raise ValueError(f"end_s {end_s:g} is before start_s {start_s:g}")
    return start_s, end_s


def _text(fields: Mapping[str, Any], name: str, *, empty_ok: bool = False) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not (value or empty_ok):
        raise ValueError(f"{name} is {value!r}, where a text is needed")
    return value


def _seconds(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}, where seconds are needed")
    return float(value)


def _segment(fields: Mapping[str, Any]) -> int:
    value = fields.get("segment")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"segment is {value!r}, where a whole number is needed")
    return value
