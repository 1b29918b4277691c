"""Labelled segments of recordings as frame labels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from firered.audio.framing import FRAME_SHIFT_S
from firered.data.datadir import DataDir
from firered.data.names import path_of_id
from firered.data.rttm import NON_SPEECH, parse_rttm
from firered.data.textgrids import Tier, read_textgrid
from firered.errors import DataError, Problem
from firered.train.data.augment import Draw
from firered.vad.detect import EVENTS

_NO_EVENT = (*NON_SPEECH, "<sil>")  # the last is the symbol of the models' dictionaries

Spans = list[tuple[float, float, str]]  # start and end in seconds, event


def event_of(name: str) -> str | None:
    """The event that a label names; every name that is not one of an event or its absence is a speaker's."""
    name = name.strip().lower()
    if name in EVENTS:
        return name
    return None if name in _NO_EVENT else "speech"


def frame_labels(spans: Spans, frames: int, events: Sequence[str], draw: Draw) -> np.ndarray:
    """(frames, len(events)) float32 labels, 0 or 1.

    A segment labels the frames from round(100 start) up to, but not including, round(100 end): the inverse of how
    the detectors make segments of frames.
    """
    out = np.zeros((frames, len(events)), np.float32)
    for start, end, event in spans:
        if event in events:
            first, last = (max(0, round(draw.moved(time) / FRAME_SHIFT_S)) for time in (start, end))
            out[first:last, events.index(event)] = 1.0
    return out


def read_spans(path: Path, kind: str, recordings: Iterable[str], problems: list[Problem]) -> dict[str, Spans]:
    """Labelled segments of the recordings of a data directory, by recording; those without any have an empty list.

    Args:
        path: the data directory.
        kind: rttm, textgrid, segments, or auto: the first of these that exists.
        recordings: their ids.
        problems: takes recordings whose labels cannot be read; these are not in the result.

    Raises:
        DataError: the data directory has no such labels.
    """
    data = DataDir(path)
    there = {"rttm": path / "rttm", "textgrid": path / "textgrid", "segments": path / "segments"}
    if kind == "auto":
        kind = next((name for name, file in there.items() if file.exists()), "auto")
    if kind == "auto" or not there[kind].exists():
        wanted = "rttm, textgrid/ID.TextGrid or segments" if kind == "auto" else kind
        raise DataError(f"{path}: no labels here ({wanted})")
    if kind == "rttm":
        lines = data.lines("rttm") or {}
        return {
            recording: [span for line in lines.get(recording, []) if (span := _rttm_span(path, line))]
            for recording in recordings
        }
    if kind == "segments":
        spans: dict[str, Spans] = {recording: [] for recording in recordings}
        for part in (data.segments or {}).values():
            if part.recording in spans:
                spans[part.recording].append((part.start_s, part.end_s, "speech"))
        return spans
    return _textgrids(there["textgrid"], recordings, problems)


def _rttm_span(path: Path, line: str) -> tuple[float, float, str] | None:
    try:
        span = parse_rttm(line).span
    except ValueError as error:
        raise DataError(f"{path / 'rttm'}: {error}: {line!r}") from error
    if span is None:
        return None
    start, end, label = span
    event = event_of(label)
    return (start, end, event) if event else None


def _textgrids(folder: Path, recordings: Iterable[str], problems: list[Problem]) -> dict[str, Spans]:
    found: dict[str, Spans] = {}
    for recording in recordings:
        try:
            grid = read_textgrid(path_of_id(folder, recording, ".TextGrid"))
        except DataError as error:
            problems.append(Problem(recording, str(error)))
        else:
            found[recording] = [span for tier in grid.tiers for span in _tier_spans(tier)]
    return found


def _tier_spans(tier: Tier) -> Spans:
    """Labelled segments of a tier: a tier named for an event marks it with any text, in others the text names it."""
    own = tier.name.strip().lower()
    events = ((start, end, own if own in EVENTS else event_of(label)) for start, end, label in tier.intervals)
    return [(start, end, event) for start, end, event in events if event]
