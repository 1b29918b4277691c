"""The checks that a Kaldi data directory has to pass before a recipe uses it."""

import math
import unicodedata
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from firered.data.datadir import (
    EITHER,
    EMPTY_VALUE_OK,
    KNOWN_FILES,
    LINES,
    PARTIAL,
    RECORDING,
    SPEAKER,
    UTTERANCE,
    BadLines,
    parse_segments,
    table_rows,
)
from firered.data.utterance import MAX_OVERSHOOT_S, OVERSHOOT_TOLERANCE_S
from firered.errors import Problem

# Segment ends are rounded to the millisecond, and so are the durations they are held against.
_TOLERANCE_S = 0.0015
_FORBIDDEN_WORDS = frozenset({"<s>", "</s>", "#0"})  # symbols of the language model and of its graph
_JOINERS = frozenset("\u200c\u200d")  # invisible, but part of the spelling in Persian and the Indic scripts

Table = dict[str, tuple[int, str]]  # id -> line number, value
Errors = Iterator[tuple[int, str]]  # line number, what is wrong


def validate(
    path: str | Path,
    *,
    feats: bool = True,
    text: bool = True,
    wav: bool = True,
    non_print: bool = False,
    spk_sort: bool = True,
) -> list[str]:
    """Return every error found in a data directory, as `file:line: what is wrong`; nothing where it is sound.

    `feats`, `text` and `wav` say whether feats.scp, text and wav.scp must be there; a file that is there is checked
    in any case. `non_print` allows invisible characters in the text, `spk_sort=False` any order of the speakers.
    """
    path = Path(path)
    if not path.is_dir():
        return [f"{path}: no such data directory"]
    required = {"utt2spk": True, "spk2utt": True, "wav.scp": wav, "text": text, "feats.scp": feats}
    errors = [
        f"{path / name}: no such file" for name, needed in required.items() if needed and not (path / name).is_file()
    ]
    tables = {}
    for name in KNOWN_FILES:
        if KNOWN_FILES[name] != LINES and (path / name).is_file():
            tables[name] = _layout(path / name, errors)
    for name, table in tables.items():
        for check in _VALUE_CHECKS.get(name, ()):
            errors += [f"{path / name}:{number}: {what}" for number, what in check(table)]
    if not non_print:
        errors += [f"{path / 'text'}:{number}: {what}" for number, what in _invisible(tables.get("text", {}))]
    if spk_sort:
        errors += [f"{path / 'utt2spk'}:{number}: {what}" for number, what in _speaker_order(tables.get("utt2spk", {}))]
    errors += _segment_errors(path, tables)
    errors += _id_errors(path, tables)
    errors += _speaker_errors(path, tables)
    return errors


def _layout(file: Path, errors: list[str]) -> Table:
    """Return the rows of a table, and append what is wrong with its form."""
    problems: list[Problem] = []
    table = {}
    for number, key, value in table_rows(file, BadLines(file, problems), empty_value_ok=file.name in EMPTY_VALUE_OK):
        table[key] = (number, value)
    found = [problem.reason for problem in problems]
    data = file.read_bytes()
    if not data:
        found.append(f"{file}: is empty")
    elif not data.endswith(b"\n"):
        last = data.count(b"\n") + 1
        found.append(f"{file}:{last}: no newline at the end of the file")
    if data.startswith(BOM_UTF8):
        found.append(f"{file}:1: begins with a byte-order mark (BOM), which Kaldi takes for a part of the id")
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.endswith(b"\r"):
            found.append(f"{file}:{number}: the line ends in a carriage return (Windows)")
        if line.strip() and line[:1].isspace():
            found.append(f"{file}:{number}: white space before the id")
    for before, key in pairwise(table):
        if key < before:
            found.append(f"{file}:{table[key][0]}: {key} comes after {before}: not sorted; use LC_ALL=C sort")
    errors += found
    return table


def _text_words(table: Table) -> Errors:
    for utterance, (number, value) in table.items():
        for word in sorted(_FORBIDDEN_WORDS.intersection(value.split())):
            yield number, f"{utterance} holds {word}, which cannot be a word"
        for char in sorted({char for char in value if char.isspace() and char not in " \t"}):
            yield number, f"{utterance} holds the white space {_named(char)}; use a plain blank"


def _invisible(text: Table) -> Errors:
    for utterance, (number, value) in text.items():
        for char in sorted(set(value)):
            if unicodedata.category(char)[0] == "C" and not char.isspace() and char not in _JOINERS:
                yield number, f"{utterance} holds the non-printable character {_named(char)}"


def _named(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()


def _home_paths(table: Table) -> Errors:
    for key, (number, value) in table.items():
        if any(word.startswith("~") for word in value.split()):
            yield number, f"the path of {key} holds ~, which only an interactive shell understands; write it out"


def _single_speaker(table: Table) -> Errors:
    for utterance, (number, value) in table.items():
        if len(value.split()) != 1:
            yield number, f"{utterance} has {len(value.split())} fields after it where one speaker is needed"


def _speaker_order(utt2spk: Table) -> Errors:
    before = ""
    for utterance, (number, speaker) in utt2spk.items():
        if speaker < before:
            what = f"speaker {speaker} of {utterance} comes after {before}: not sorted by speaker"
            yield number, f"{what}; begin utterance ids with the speaker id"
        before = speaker


def _genders(table: Table) -> Errors:
    for speaker, (number, value) in table.items():
        if value not in ("m", "f"):
            yield number, f"gender {value!r} of {speaker} is neither m nor f"


def _channels(table: Table) -> Errors:
    for recording, (number, value) in table.items():
        fields = value.split()
        if len(fields) != 2:
            yield number, f"{len(fields) + 1} fields where `recording file channel` is needed"
        elif fields[1] not in ("A", "B") and not _is_count(fields[1]):
            yield number, f"channel {fields[1]} of {recording} is neither A, B nor a number from 1 on"


def _is_count(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) > 0


def _seconds_of(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _durations(table: Table) -> Errors:
    for key, (number, value) in table.items():
        if (_seconds_of(value) or 0.0) <= 0:
            yield number, f"duration {value!r} of {key} is not a number above 0"


def _frame_counts(table: Table) -> Errors:
    for utterance, (number, value) in table.items():
        if not _is_count(value):
            yield number, f"frame count {value!r} of {utterance} is not a whole number above 0"


_VALUE_CHECKS: dict[str, tuple[Callable[[Table], Errors], ...]] = {
    "text": (_text_words,),
    "wav.scp": (_home_paths,),
    "utt2spk": (_single_speaker,),
    "spk2gender": (_genders,),
    "reco2file_and_channel": (_channels,),
    "utt2dur": (_durations,),
    "reco2dur": (_durations,),
    "utt2num_frames": (_frame_counts,),
}


def _segment_errors(path: Path, tables: dict[str, Table]) -> list[str]:
    if "segments" not in tables:
        return []
    problems: list[Problem] = []
    segments = parse_segments(path / "segments", problems)
    errors = [problem.reason for problem in problems]
    reco2dur = tables.get("reco2dur", {})
    for utterance, segment in segments.items():
        duration_s = _seconds_of(reco2dur.get(segment.recording, (0, ""))[1])
        last_s = segment.start_s if math.isinf(segment.end_s) else segment.end_s
        # What ends a little later is cut where it is read.
        overshoot_s = _TOLERANCE_S if math.isinf(segment.end_s) else MAX_OVERSHOOT_S + OVERSHOOT_TOLERANCE_S
        if duration_s is not None and (last_s > duration_s + overshoot_s or segment.start_s >= duration_s):
            what = f"{utterance} goes to {last_s:g} s, but {segment.recording} ends at {duration_s:g} s"
            errors.append(f"{path / 'segments'}:{tables['segments'][utterance][0]}: {what}")
    return errors


def _id_errors(path: Path, tables: dict[str, Table]) -> list[str]:
    """Return where the ids of two files are not the same, utterance by utterance and recording by recording."""
    cut = "segments" in tables
    kinds = {name: KNOWN_FILES[name] for name in tables if name not in PARTIAL}
    by_utterance = [name for name, by in kinds.items() if by == UTTERANCE or (name == "wav.scp" and not cut)]
    if not by_utterance:
        return []
    reference = "utt2spk" if "utt2spk" in tables else by_utterance[0]
    utterances = {key: number for key, (number, _) in tables[reference].items()}
    recordings = utterances
    if cut:  # the field after the id is the recording, however wrong the rest of the line may be
        recordings = {next(iter(value.split()), ""): number for number, value in tables["segments"].values()}
    errors = []
    for name, table in tables.items():
        by = KNOWN_FILES[name]
        if by == EITHER:
            unknown = [key for key in table if key not in utterances and key not in recordings]
            errors += [f"{path / name}:{table[key][0]}: {key} is no utterance and no recording" for key in unknown]
        elif by == RECORDING and cut:
            errors += _unequal_ids(path / name, table, "recording", recordings, "segments")
        elif by in (UTTERANCE, RECORDING) and name != reference:
            errors += _unequal_ids(path / name, table, "utterance", utterances, reference)
    return errors


def _unequal_ids(file: Path, table: Table, kind: str, known: dict[str, int], source: str) -> list[str]:
    needed = () if file.name in PARTIAL else known
    missing = [f"{file}: no line for {kind} {key} ({source}:{known[key]})" for key in needed if key not in table]
    return missing + [f"{file}:{table[key][0]}: {kind} {key} is not in {source}" for key in table if key not in known]


def _speaker_errors(path: Path, tables: dict[str, Table]) -> list[str]:
    """Return where spk2utt, utt2spk and the tables by speaker do not agree."""
    if "utt2spk" not in tables:
        return []
    utt2spk = tables["utt2spk"]
    speakers = {speaker: number for number, speaker in utt2spk.values()}
    errors = []
    for name, table in tables.items():
        if name == "spk2utt":
            errors += _spk2utt_errors(path, table, utt2spk)
        elif KNOWN_FILES[name] == SPEAKER:
            errors += _unequal_ids(path / name, table, "speaker", speakers, "utt2spk")
    return errors


def _spk2utt_errors(path: Path, spk2utt: Table, utt2spk: Table) -> list[str]:
    errors = []
    listed: dict[str, list[str]] = {}
    for speaker, (number, value) in spk2utt.items():
        for utterance in value.split():
            before = listed.setdefault(utterance, [])
            what = ""
            if before:
                what = f"is already listed under {before[0]}"
            elif utterance not in utt2spk:
                what = "is not in utt2spk"
            elif utt2spk[utterance][1] != speaker:
                what = f"is of {utt2spk[utterance][1]} in utt2spk"
            if what:
                errors.append(f"{path / 'spk2utt'}:{number}: {utterance} of {speaker} {what}")
            before.append(speaker)
    for utterance, (number, speaker) in utt2spk.items():
        if speaker not in listed.get(utterance, ()):
            errors.append(f"{path / 'utt2spk'}:{number}: {utterance} is not listed under {speaker} in spk2utt")
    return errors
