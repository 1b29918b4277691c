"""Kaldi data directories: their tables read and written, and what each known file is keyed by."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from firered.data.atomic import replacing
from firered.data.files import BLANKS
from firered.data.lines import bytes_of, numbered
from firered.errors import DataError, Problem

UTTERANCE, RECORDING, SPEAKER, EITHER, LINES = "utterance", "recording", "speaker", "utterance or recording", "lines"

# What each known file is keyed by; subset, split, combine and the validator all follow this table.
# RECORDING means utterances too where there is no `segments`; LINES are free-form lines that `line_key` reads.
KNOWN_FILES = {
    **dict.fromkeys(("segments", "text", "token", "token_conf", "feats.scp", "vad.scp", "ali.scp"), UTTERANCE),
    **dict.fromkeys(("text_streaming", "text_raw", "utt2agreement"), UTTERANCE),
    **dict.fromkeys(("utt2spk", "utt2dur", "utt2num_frames", "utt2uniq", "utt2score", "utt2prompt"), UTTERANCE),
    **dict.fromkeys(("utt2lang", "utt2lang_conf", "utt2dialect", "utt2conf", "utt2hotwords"), UTTERANCE),
    **dict.fromkeys(("utt2noise", "utt2snr", "utt2itn", "keywords", "previous", "one_pass"), UTTERANCE),
    **dict.fromkeys(("wav.scp", "reco2dur", "reco2file_and_channel", "reco2hotwords"), RECORDING),
    "probs.scp": EITHER,  # of whole recordings, beside the segments that a VAD found in them
    **dict.fromkeys(("spk2utt", "spk2gender", "spk2hotwords", "cmvn.scp"), SPEAKER),
    **dict.fromkeys(("rttm", "ctm", "failed", "flags", "*.jsonl"), LINES),
}
EMPTY_VALUE_OK = frozenset(
    {"text", "text_streaming", "token", "token_conf", "previous", "one_pass"}
)  # of an utterance without speech
PARTIAL = frozenset({"keywords", "previous", "one_pass", "utt2itn"})  # utterances need not be in them
_FRAME_SHIFT_S = 0.01

# Only blanks separate fields: in the C locale a full-width or no-break space is text like any other.
_BLANK_RUN = re.compile(f"[{BLANKS}]+")
MOST_SHOWN = 10

T = TypeVar("T")


class BadLines:
    """The bad lines of one file: raised all together, or appended to the problems that a caller collects."""

    def __init__(self, path: Path, problems: list[Problem] | None) -> None:
        self.path, self.problems = path, problems
        self.messages: list[str] = []

    def add(self, number: int, reason: str, key: str = "") -> None:
        """Note the line `number`; `key` is its id where it has one."""
        message = f"{self.path}:{number}: {reason}"
        self.messages.append(message)
        if self.problems is not None:
            self.problems.append(Problem(key or f"{self.path.name}:{number}", message))

    def finish(self) -> None:
        """Raise DataError with the lines noted, unless they went to the caller's list."""
        if self.problems is None and self.messages:
            more = len(self.messages) - MOST_SHOWN
            raise DataError("\n".join(self.messages[:MOST_SHOWN] + ([f"... and {more} more"] if more > 0 else [])))


def _first_field(line: str) -> str:
    return _BLANK_RUN.split(line.strip(BLANKS), maxsplit=1)[0]


def _lines(path: Path, bad: BadLines) -> Iterator[tuple[int, str]]:
    for number, text, fault in numbered(bytes_of(path)):
        line = text.strip(BLANKS)
        if fault:
            key = _first_field(line)
            bad.add(number, fault, "" if {"\ufffd", "\0"} & set(key) else key)
        elif not line:
            bad.add(number, "empty line")
        elif "\r" in line:
            bad.add(number, "holds a carriage return; end lines with a newline", _first_field(line))
        else:
            yield number, line


def _divided(line: str) -> tuple[str, str]:
    """The first field of a line that has no blanks around it, and the rest."""
    key, _, value = line.partition(" ")
    if key.isprintable():  # no other blank in it
        return key, value.lstrip(BLANKS)
    key, value = (*_BLANK_RUN.split(line, maxsplit=1), "")[:2]
    return key, value


def table_rows(path: Path, bad: BadLines, *, empty_value_ok: bool = False) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, key, value) for each good line of a table; bad lines are noted in `bad`."""
    first_line: dict[str, int] = {}
    for number, line in _lines(path, bad):
        key, value = _divided(line)
        if key.split() != [key]:
            bad.add(number, f"id {key!r} holds white space that is neither blank nor tab")
        elif not value and not empty_value_ok:
            bad.add(number, f"nothing after id {key}", key)
        elif key in first_line:
            bad.add(number, f"id {key} is already on line {first_line[key]}", key)
        else:
            first_line[key] = number
            yield number, key, value


def _parse(
    path: str | Path, problems: list[Problem] | None, convert: Callable[[str], T], empty_value_ok: bool = False
) -> dict[str, T]:
    bad = BadLines(Path(path), problems)
    table: dict[str, T] = {}
    for number, key, value in table_rows(bad.path, bad, empty_value_ok=empty_value_ok):
        try:
            table[key] = convert(value)
        except ValueError as error:
            bad.add(number, str(error), key)
    bad.finish()
    return table


def read_table(
    path: str | Path, problems: list[Problem] | None = None, *, empty_value_ok: bool = False
) -> dict[str, str]:
    """Return {key: rest of line} in file order.

    Bad lines raise one DataError that lists them all as `file:line: reason`; where `problems` is given they are
    appended to it instead, and the rest is returned. Sorting is not looked at: readers go by key.
    """
    return _parse(path, problems, str, empty_value_ok)


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Replace `path` by these lines in one step, so that no reader ever sees half a file."""
    path = Path(path)
    try:
        content = "".join(f"{line}\n" for line in lines).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end]
        raise DataError(f"{path}: cannot be written as UTF-8: {around!r}") from None
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def table_lines(path: Path, table: Mapping[str, str]) -> list[str]:
    """Return a table as the lines of the file `path`, sorted by key."""
    for key, value in table.items():
        if key.split() != [key]:
            raise DataError(f"{path}: {key!r} cannot be an id: it is empty or holds white space")
        if "\n" in value or "\r" in value:
            raise DataError(f"{path}: the value of {key} holds a line break: {value!r}")
    return [f"{key} {table[key].strip(BLANKS)}".rstrip(" ") for key in sorted(table)]


def write_table(path: str | Path, table: Mapping[str, str]) -> None:
    """Replace `path` by this table, C-sorted by key, in one step."""
    write_lines(path, table_lines(Path(path), table))


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording; `end_s` is infinite where it runs to the end of the recording."""

    recording: str
    start_s: float
    end_s: float


def _finite(field_: str, what: str) -> float:
    try:
        number = float(field_)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} {field_!r} is not a number")
    return number


def _segment(value: str) -> Segment:
    fields = value.split()
    if len(fields) != 3:
        raise ValueError(f"{len(fields) + 1} fields where `utterance recording start end` is needed")
    start_s, end_s = _finite(fields[1], "start"), _finite(fields[2], "end")
    if start_s < 0:
        raise ValueError(f"start {fields[1]} is negative")
    if end_s == -1:  # Kaldi's way to say "to the end of the recording"
        end_s = math.inf
    if end_s <= start_s:
        raise ValueError(f"end {fields[2]} is not after start {fields[1]}")
    return Segment(fields[0], start_s, end_s)


def parse_segments(path: str | Path, problems: list[Problem] | None = None) -> dict[str, Segment]:
    """Return {utterance: Segment}; bad lines are dealt with as in `read_table`."""
    return _parse(path, problems, _segment)


def format_segment(segment: Segment) -> str:
    """Return `recording start end`, in seconds to the millisecond, as it stands in `segments`."""
    end_s = -1.0 if math.isinf(segment.end_s) else segment.end_s
    return f"{segment.recording} {segment.start_s:.3f} {end_s:.3f}"


def _seconds(value: str) -> float:
    number = _finite(value, "duration")
    if number < 0:
        raise ValueError(f"duration {value} is negative")
    return number


def spk2utt_of(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Return {speaker: its utterances, sorted, between blanks}."""
    utterances: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        utterances.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances[speaker]) for speaker in sorted(utterances)}


def utt2spk_of(spk2utt: Mapping[str, str]) -> dict[str, str]:
    """Return {utterance: speaker}; an utterance of two speakers is a DataError."""
    speaker_of: dict[str, str] = {}
    for speaker, utterances in spk2utt.items():
        for utterance in utterances.split():
            if speaker_of.setdefault(utterance, speaker) != speaker:
                raise DataError(f"spk2utt: {utterance} is of {speaker_of[utterance]} and of {speaker}")
    return dict(sorted(speaker_of.items()))


def line_key(name: str, line: str) -> tuple:
    """Return what a free-form line is sorted by; first the recording or utterance that it is about."""
    if name in ("failed", "flags"):
        return _first_field(line), line
    if name.endswith(".jsonl"):
        owner = {"live.jsonl": "reco", "contexts.jsonl": "utterance"}.get(name, "uttid")
        try:
            key = json.loads(line)[owner]
        except (ValueError, KeyError, TypeError):
            key = None
        if not isinstance(key, str):
            raise ValueError(f'not a JSON object with an "{owner}"')
        return (key,)  # nothing else: the lines of one utterance or recording keep their order
    fields = line.split()
    if len(fields) < 5:
        raise ValueError(f"{len(fields)} fields are too few for {name}")
    owner, channel, times = (fields[1], "", fields[3:5]) if name == "rttm" else (fields[0], fields[1], fields[2:4])
    start_s, duration_s = (-math.inf if time == "<NA>" else _finite(time, "time") for time in times)
    return owner, channel, start_s, duration_s, line


def _read_known(path: Path, problems: list[Problem] | None) -> dict[str, str]:
    return read_table(path, problems, empty_value_ok=path.name in EMPTY_VALUE_OK)


def _read_seconds(path: Path, problems: list[Problem] | None) -> dict[str, float]:
    return _parse(path, problems, _seconds)


def _read_lines(path: Path, problems: list[Problem] | None) -> dict[str, list[str]]:
    bad = BadLines(path, problems)
    keyed = []
    for number, line in _lines(path, bad):
        if path.name in ("rttm", "ctm") and line.startswith(";;"):
            continue  # a comment belongs to no recording
        try:
            keyed.append((line_key(path.name, line), line))
        except ValueError as error:
            bad.add(number, str(error))
    bad.finish()
    owned: dict[str, list[str]] = {}
    for key, line in sorted(keyed, key=lambda pair: pair[0]):
        owned.setdefault(key[0], []).append(line)
    return owned


def _table_property(name: str) -> property:
    return property(lambda self: self.table(name), doc=f"The rows of `{name}`, or None where there is no such file.")


@dataclass
class DataDir:
    """A data directory whose tables are read on first use; bad lines are appended to `problems` where that is given."""

    path: Path
    problems: list[Problem] | None = None
    _tables: dict = field(default_factory=dict, init=False, repr=False, compare=False)
    _reported: set[Problem] = field(default_factory=set, init=False, repr=False, compare=False)

    wav_scp = _table_property("wav.scp")
    text = _table_property("text")
    utt2spk = _table_property("utt2spk")
    spk2utt = _table_property("spk2utt")
    utt2dur = _table_property("utt2dur")
    reco2dur = _table_property("reco2dur")
    utt2num_frames = _table_property("utt2num_frames")
    feats_scp = _table_property("feats.scp")
    utt2lang = _table_property("utt2lang")

    def __post_init__(self) -> None:
        self.path = Path(self.path)

    def _read(self, name: str, reader: Callable[[Path, list[Problem] | None], T]) -> T | None:
        if (name, reader) not in self._tables:
            found: list[Problem] | None = None if self.problems is None else []
            path = self.path / name
            self._tables[name, reader] = reader(path, found) if path.is_file() else None
            if self.problems is not None:  # a file read in two ways reports its bad lines once
                self.problems += [problem for problem in found or () if problem not in self._reported]
                self._reported.update(found or ())
        return self._tables[name, reader]

    def table(self, name: str) -> dict[str, str] | None:
        """Return the rows of the file `name`, or None where there is no such file."""
        return self._read(name, _read_known)

    def lines(self, name: str) -> dict[str, list[str]] | None:
        """Return the sorted lines of `rttm`, `ctm`, `failed`, `flags` or a jsonl by id, None where there is no file."""
        return self._read(name, _read_lines)

    @property
    def segments(self) -> dict[str, Segment] | None:
        """The segments by utterance, or None where there is no such file."""
        return self._read("segments", parse_segments)

    def utterances(self) -> list[str]:
        """Return the sorted utterance ids, by the first there is of segments, wav.scp, feats.scp, text and so on."""
        if not self.path.is_dir():
            raise DataError(f"{self.path}: no such data directory")
        if self.segments is not None:
            return sorted(self.segments)
        others = (name for name, by in KNOWN_FILES.items() if by == UTTERANCE)
        for name in ("wav.scp", "feats.scp", *others):
            if (table := self.table(name)) is not None:
                return sorted(table)
        return []

    def durations(self) -> dict[str, float]:
        """Return the best known seconds of each utterance; those of which nothing is known are left out."""
        segments, recordings = self.segments, self._read("reco2dur", _read_seconds) or {}
        best = {key: n * _FRAME_SHIFT_S for key, n in (self._read("utt2num_frames", _read_seconds) or {}).items()}
        if segments is None:
            best |= recordings  # each recording is an utterance
        best |= self._read("utt2dur", _read_seconds) or {}
        for utterance, segment in (segments or {}).items():
            end_s = recordings.get(segment.recording) if math.isinf(segment.end_s) else segment.end_s
            if end_s is not None:
                best[utterance] = max(end_s - segment.start_s, 0.0)
        return {utterance: best[utterance] for utterance in self.utterances() if utterance in best}
