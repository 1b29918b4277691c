"""Output formats: one small function each, text in, text out."""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any, TypeVar

Labelled = tuple[float, float, str]  # start and end in seconds, label

T = TypeVar("T")


def segment_id(recording: str, start_s: float, end_s: float) -> str:
    """Utterance id of a segment: `<recording>-<start ms>-<end ms>`, 7 digits each, so that ids sort by time."""
    return f"{recording}-{round(1000 * start_s):07d}-{round(1000 * end_s):07d}"


def seconds(value: float) -> str:
    """Seconds as Kaldi's duration tables have them: exact to a sample, no trailing zeros."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


def json_line(value: Mapping[str, Any]) -> str:
    """One line of JSON with every script as it is."""
    return json.dumps(value, ensure_ascii=False)


def one_line(text: str) -> str:
    """The text without control characters or lone surrogates, with one blank for every run of white space."""
    kept = (char for char in text if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs"))
    return " ".join("".join(kept).split())


def in_turn(spans: Iterable[tuple[int, int, T]], shortest: int) -> list[tuple[int, int, T]]:
    """Spans in order of their starts, without overlaps, none shorter than `shortest`.

    A span ends where the next one starts; one that is too short takes from those after it.
    """
    ordered = sorted(spans, key=itemgetter(0))
    placed: list[tuple[int, int, T]] = []
    at = 0
    for (start, end, what), following in zip_longest(ordered, ordered[1:]):
        start = max(start, at)
        if following and following[0] >= start + shortest:
            end = min(end, following[0])
        at = max(end, start + shortest)
        placed.append((start, at, what))
    return placed


def ctm_line(recording: str, channel: str, start_ms: int, duration_ms: int, word: str) -> str:
    """A line of a NIST CTM without its end: recording, channel, start and duration in seconds, word.

    Empty for a word that has nothing to show, which no reader takes: sclite, Kaldi and firered want five fields. White
    space in a word is `_`, a duration is a millisecond or more. The optional field of the confidence is left out.
    """
    text = as_field(word)
    return f"{as_field(recording)} {channel} {start_ms / 1000:.3f} {max(1, duration_ms) / 1000:.3f} {text}" * bool(text)


def as_field(text: str) -> str:
    """The text as one field of a line: white space would begin the next."""
    return one_line(text).replace(" ", "_")


def rttm(recording: str, segments: Iterable[Labelled]) -> str:
    """NIST RTTM lines with the label in the place of the speaker."""
    return "".join(
        f"SPEAKER {recording} 1 {start:.3f} {end - start:.3f} <NA> <NA> {label} <NA> <NA>\n"
        for start, end, label in segments
    )


def textgrid(duration_s: float, segments: Iterable[Labelled], labels: Sequence[str]) -> str:
    """Praat TextGrid with an interval tier a label, gaps as empty intervals."""
    tiers: dict[str, list[Labelled]] = {label: [] for label in labels}
    for segment in segments:
        if segment[2] in tiers:
            tiers[segment[2]].append(segment)
    return textgrid_of_tiers(duration_s, tiers)


def textgrid_of_tiers(duration_s: float, tiers: Mapping[str, Iterable[Labelled]]) -> str:
    """Praat TextGrid of interval tiers by name, gaps as empty intervals; within a tier nothing may overlap."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds(duration_s)}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), 1):
        intervals = _with_gaps(spans, duration_s)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{_quoted(name)}"']
        lines += [
            "        xmin = 0",
            f"        xmax = {seconds(duration_s)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start, end, text) in enumerate(intervals, 1):
            lines += [f"        intervals [{index}]:", f"            xmin = {seconds(start)}"]
            lines += [f"            xmax = {seconds(end)}", f'            text = "{_quoted(text)}"']
    return "\n".join(lines) + "\n"


def _with_gaps(spans: Iterable[Labelled], duration_s: float) -> list[Labelled]:
    """Intervals that cover [0, duration] without a hole, as Praat wants them."""
    out: list[Labelled] = []
    at = 0.0
    for start, end, text in spans:
        end = min(end, duration_s)
        if start > at:
            out.append((at, start, ""))
        out.append((start, end, text))
        at = end
    if at < duration_s:
        out.append((at, duration_s, ""))
    return out


def _quoted(text: str) -> str:
    return text.replace('"', '""')
