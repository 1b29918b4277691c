"""MagicData's corpora of MagicHub, read sentences or conversations, distinguished by the content of their folders."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import (
    Substitution,
    need,
    not_there,
    numbered_lines,
    present,
    recipe_table,
    substituted,
    substitutions,
)
from firered.data.files import visible
from firered.data.write import segment_id
from firered.errors import DataError

_GET = "get the corpora from magichub.com and unpack each in a folder of that name"
_SENTENCE_TABLES = ("UTTRANSINFO.txt", "UTTERANCEINFO.txt")
# Headings of the columns that are needed, in small letters without what is neither letter nor digit.
_HEADINGS = {
    "utterance": ("uttransid", "utteranceid", "uttid"),
    "speaker": ("speakerid", "spkid", "speaker"),
    "text": ("transcription", "transcript", "text"),
}
_SECONDS = r"\s*(\d+(?:\.\d+)?)\s*"
_TURN = re.compile(rf"\[{_SECONDS},{_SECONDS}\]\s*(\S+)\s+\S+(?:\s+(.*))?")
_NOBODY = {"G00000000", "0"}  # the speaker of noise and other sounds in conversations


def read_here(corpus: Path, tables: Path) -> Iterator[Reading]:
    """The sets that the table `sets.tsv` names, whose folders are in `corpus`; a warning names the others.

    A folder may also be called as its set is.

    Raises:
        DataError: none of the folders is there.
    """
    sets = recipe_table(tables / "sets.tsv")
    folders = {name: [corpus / folder, corpus / name] for name, folder in sets.items()}
    here = {name: folder for name, places in folders.items() if (folder := next(filter(Path.is_dir, places), None))}
    if not here:
        raise not_there(corpus / "<corpus>", f"expected is any of {', '.join(sets.values())}; {_GET}")
    for name in present(sets, here, f"sets whose folders {tables / 'sets.tsv'} names"):
        yield Reading(name, partial(read_set, here[name], name, substitutions(tables / "markers.txt")))


def read_set(folder: Path, name: str, markers: list[Substitution]) -> CorpusSet:
    """The utterances of an unpacked corpus; text that `markers` match is removed from their transcripts.

    Raises:
        DataError: the folder has neither layout, or a line cannot be read.
    """
    found = CorpusSet(name, folder, language="yue" if "yue" in name.split("-") else "zh")
    conversations = visible(folder / "TXT", "*.txt")
    for entry in _turns(folder, conversations) if conversations else _sentences(folder):
        raw = entry.raw or ""
        text = " ".join(substituted(raw, markers).split())
        if entry.speaker in _NOBODY or not text:
            found.leave_out(entry.key, f"no speech: {raw}")
        elif entry.span and entry.span[1] <= entry.span[0]:
            found.leave_out(entry.key, f"its end, {entry.span[1]:g} s, is not after its start, {entry.span[0]:g} s")
        else:
            found.add(replace(entry, text=text))
    return found


def _sentences(folder: Path) -> Iterator[Entry]:
    """Read speech: one table of sentences, and a folder of wavs per speaker."""
    tables = [folder / name for name in _SENTENCE_TABLES]
    table = next(filter(Path.is_file, tables), tables[0])
    lines = numbered_lines(need(table, _GET))
    _, heading = next(lines, (1, ""))
    columns = _columns(table, heading)
    for number, line in lines:
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) <= max(columns.values()):
            raise DataError(f"{table}:{number}: {len(fields)} columns where {heading.split()} are needed: {line!r}")
        file, speaker = fields[columns["utterance"]], fields[columns["speaker"]]
        file = file if Path(file).suffix.lower() == ".wav" else f"{file}.wav"
        wav = folder / "WAV" / speaker / file
        yield Entry(
            Path(file).stem, wav if wav.is_file() else folder / "WAV" / file, speaker, raw=fields[columns["text"]]
        )


def _columns(table: Path, heading: str) -> dict[str, int]:
    """Where each column that is needed stands, by the heading line, whatever its case, order and other columns."""
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in heading.split("\t")]
    found = {
        what: next((names.index(name) for name in known if name in names), -1) for what, known in _HEADINGS.items()
    }
    if -1 in found.values():
        wanted = "UTTRANS_ID, SPEAKER_ID and TRANSCRIPTION"
        raise DataError(f"{table}: its first line is {heading.split()}, where columns {wanted} are expected")
    return found


def _turns(folder: Path, conversations: list[Path]) -> Iterator[Entry]:
    """Conversations: each a wav and a text file of timed turns."""
    for path in conversations:
        recording, wav = path.stem, folder / "WAV" / f"{path.stem}.wav"
        for number, line in numbered_lines(path):
            turn = _TURN.fullmatch(line.strip())
            if turn is None:
                raise DataError(f"{path}:{number}: not `[start,end] speaker gender,language text`: {line!r}")
            span, speaker = (float(turn[1]), float(turn[2])), turn[3]
            key = segment_id(f"{speaker}-{recording}", *span)
            yield Entry(key, wav, speaker, raw=turn[4] or "", recording=recording, span=span)
