"""Long utterances for contextual training (FunAudio-ASR report, section 4.3): segments of a recording put together.

Recordings of up to five minutes become whole utterances; longer ones are cut in pauses, and each piece but the first
has the text of the one before it in the table `previous`.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from firered.data.datadir import DataDir, Segment, format_segment, spk2utt_of, write_lines, write_table
from firered.data.write import segment_id
from firered.errors import DataError, OptionError, Problem
from firered.punc.text import bare
from firered.runs.ctm import utterance_words
from firered.text.joining import join_texts

log = logging.getLogger(__name__)

_CTM = "ctm"
_LATE = 0.8  # of the most seconds: from there on the longest pause is where a piece ends


@dataclass(frozen=True)
class _Unit:
    """What is not cut: an utterance, or a word of one that is too long, whose text goes on with the one before."""

    key: str
    start_s: float
    end_s: float
    text: str
    goes_on: bool = False


def lengthen(source: Path, out: Path, most_s: float = 300.0, gap_s: float = 2.0) -> int:
    """Write a data directory of long utterances; the exit status: 1 where some are too long and cannot be cut.

    Args:
        source: with text, and segments or durations; a `ctm` where utterances are longer than `most_s`.
        out: to be written: wav.scp, segments, text, previous, speakers and languages.
        most_s: seconds of an utterance at most.
        gap_s: utterances that are further apart are not put together: what is said between may not be in their text.

    Raises:
        DataError: there is no text, or no recording.
    """
    if out.resolve() == source.resolve():
        raise OptionError(f"{out}: is what is read; give another folder to write")
    data, failed = DataDir(source, []), list[Problem]()
    if not data.text or not data.wav_scp:
        raise DataError(f"{source}: needs text and wav.scp")
    units = _units(data, most_s, failed)
    pieces = {recording: _pieces(own, most_s, gap_s) for recording, own in units.items()}
    _write(data, pieces, out)
    write_lines(out / "failed", [f"{problem.key} {problem.reason}" for problem in failed])
    count = sum(map(len, pieces.values()))
    log.info("%s: %d utterances of %d", out, count, len({unit.key for own in units.values() for unit in own}))
    if failed:
        log.warning("%d utterances are left out, see %s: %s", len(failed), out / "failed", failed[0])
    return 1 if failed else 0


def _units(data: DataDir, most_s: float, failed: list[Problem]) -> dict[str, list[_Unit]]:
    """The units of each recording in order of time; utterances of which there can be none go to `failed`."""
    texts, segments, durations = data.text or {}, data.segments, data.durations()
    found: dict[str, list[_Unit]] = defaultdict(list)
    long: list[tuple[str, Segment]] = []
    for key in data.utterances():
        own = segments[key] if segments is not None else Segment(key, 0.0, durations.get(key, math.inf))
        if math.isinf(own.end_s) and key in durations:
            own = Segment(own.recording, own.start_s, own.start_s + durations[key])
        if key not in texts:
            failed.append(Problem(key, "not in text"))
        elif math.isinf(own.end_s):
            failed.append(Problem(key, "no duration in segments, utt2dur or reco2dur (firered-prepare-data writes it)"))
        elif own.end_s - own.start_s > most_s:
            long.append((key, own))
        else:
            found[own.recording].append(_Unit(key, own.start_s, own.end_s, texts[key]))
    for unit, recording in _words(data, long, most_s, failed):
        found[recording].append(unit)
    return {recording: sorted(own, key=lambda unit: unit.start_s) for recording, own in sorted(found.items())}


def _words(
    data: DataDir, long: Sequence[tuple[str, Segment]], most_s: float, failed: list[Problem]
) -> Iterable[tuple[_Unit, str]]:
    """The words of utterances that are too long, with their recordings."""
    texts = data.text or {}
    if long and not (data.path / _CTM).is_file():
        failed += [Problem(key, f"longer than {most_s:g} s, and there is no {_CTM} to cut it by") for key, _ in long]
        return
    timed = utterance_words(data.path / _CTM, {key: texts[key] for key, _ in long}, data, []) if long else None
    for key, own in long:
        assert timed is not None
        if key in timed.reasons:
            failed.append(Problem(key, f"longer than {most_s:g} s, and cannot be cut: {timed.reasons[key]}"))
            continue
        words = timed.words[key]
        for word, text in zip(words, _parts(texts[key], [word.text for word in words]), strict=True):
            yield _Unit(key, word.start_s, word.end_s, text, goes_on=True), own.recording


def _parts(text: str, words: Sequence[str]) -> list[str]:
    """A text cut after each of its words, whose marks stay with it."""
    signs = [place for place, sign in enumerate(text) for _ in bare(sign)]  # those that words are made of
    ends, count = [0], 0
    for word in words:
        count += len(bare(word))
        ends.append(signs[count] if count < len(signs) else len(text))
    return [text[start:end] for start, end in pairwise(ends)]


def _pieces(units: Sequence[_Unit], most_s: float, gap_s: float) -> list[list[_Unit]]:
    """The units of each long utterance."""
    found: list[list[_Unit]] = []
    rest = list(units)
    while rest:
        room = 1
        while room < len(rest) and _joins(rest, room, most_s, gap_s):
            room += 1
        if room < len(rest) and rest[room].start_s - rest[room - 1].end_s <= gap_s:
            room = _at_a_pause(rest, room, most_s)
        found.append(rest[:room])
        rest = rest[room:]
    return found


def _joins(units: Sequence[_Unit], place: int, most_s: float, gap_s: float) -> bool:
    """Whether the unit at a place goes with all those before it."""
    near = units[place].start_s - units[place - 1].end_s <= gap_s or units[place].goes_on
    return near and units[place].end_s - units[0].start_s <= most_s


def _at_a_pause(units: Sequence[_Unit], room: int, most_s: float) -> int:
    """How many of the first units, of which so many have room, are before the longest pause near the end."""
    late = [place for place in range(1, room + 1) if units[place - 1].end_s - units[0].start_s >= _LATE * most_s]
    return max(late, key=lambda place: (units[place].start_s - units[place - 1].end_s, place), default=room)


def _text(piece: Sequence[_Unit]) -> str:
    parts: list[str] = []
    for before, unit in zip([None, *piece], piece, strict=False):
        if before is not None and unit.goes_on and before.key == unit.key:
            parts[-1] += unit.text
        else:
            parts.append(unit.text)
    return join_texts(part.strip() for part in parts)


def _write(data: DataDir, pieces: Mapping[str, Sequence[Sequence[_Unit]]], out: Path) -> None:
    """Write the tables of the new utterances."""
    segments, texts, previous = {}, dict[str, str](), dict[str, str]()
    speakers, languages = dict[str, str](), dict[str, str]()
    speaker_of, language_of = data.utt2spk or {}, data.utt2lang or {}
    for recording, own in pieces.items():
        before = ""
        for piece in own:
            start_s, end_s = piece[0].start_s, max(unit.end_s for unit in piece)
            key = segment_id(recording, start_s, end_s)
            segments[key] = format_segment(Segment(recording, start_s, end_s))
            texts[key] = _text(piece)
            if before:
                previous[key] = before
            speakers[key] = _one({speaker_of.get(unit.key, "") for unit in piece}) or key
            if language := _one({language_of.get(unit.key, "") for unit in piece}):
                languages[key] = language
            before = texts[key]
    channels = data.table("reco2file_and_channel")
    written = {"segments": segments, "text": texts, "utt2spk": speakers, "spk2utt": spk2utt_of(speakers)}
    written |= {"previous": previous, "wav.scp": {key: (data.wav_scp or {})[key] for key in pieces}}
    written |= {"reco2file_and_channel": {key: channels[key] for key in pieces if key in channels}} if channels else {}
    for name, table in (written | ({"utt2lang": languages} if languages else {})).items():
        write_table(out / name, table)
    lines = data.lines(_CTM) or {}
    write_lines(out / _CTM, [line for key in sorted(pieces.keys() & lines.keys()) for line in lines[key]])


def _one(names: set[str]) -> str:
    """What all have in common; empty if they differ."""
    return names.pop() if len(names) == 1 else ""
