"""MagicData's corpora of MagicHub, read sentences or conversations, distinguished by the content of their folders."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import Substitution, need, numbered_lines, recipe_table, rows, substituted, substitutions
from firered.data.files import matching
from firered.data.write import segment_id
from firered.errors import DataError

log = logging.getLogger(__name__)

_SENTENCE_TABLES = ("UTTRANSINFO.txt", "UTTERANCEINFO.txt")
_SENTENCE_COLUMNS = ["CHANNEL", "UTTRANS_ID", "SPEAKER_ID", "PROMPT", "TRANSCRIPTION"]
_SECONDS = r"\s*(\d+(?:\.\d+)?)\s*"
_TURN = re.compile(rf"\[{_SECONDS},{_SECONDS}\]\s+(\S+)\s+\S+(?:\s+(.*))?")
_NOBODY = "G00000000"  # noise and other sounds in conversations


def read_here(corpus: Path, tables: Path) -> Iterator[CorpusSet]:
    """The sets that the table `sets.tsv` names, whose folders are in `corpus`; a warning names the others.

    Raises:
        DataError: a set that exists cannot be read.
    """
    markers = substitutions(tables / "markers.txt")
    for name, folder in recipe_table(tables / "sets.tsv").items():
        if (corpus / folder).is_dir():
            yield read_set(corpus / folder, name, markers)
        else:
            log.warning("%s: skipped, there is no %s; see %s", name, corpus / folder, tables / "sets.tsv")


def read_set(folder: Path, name: str, markers: list[Substitution]) -> CorpusSet:
    """The utterances of an unpacked corpus; text that `markers` match is removed from their transcripts.

    Raises:
        DataError: the folder has neither layout, or a line cannot be read.
    """
    found = CorpusSet(name, folder)
    conversations = matching(folder / "TXT", "*.txt")
    for entry in _turns(folder, conversations) if conversations else _sentences(folder):
        raw = entry.raw or ""
        text = " ".join(substituted(raw, markers).split())
        if entry.speaker == _NOBODY or not text:
            found.leave_out(entry.key, f"no speech: {raw}")
        else:
            found.add(replace(entry, text=text))
    return found


def _sentences(folder: Path) -> Iterator[Entry]:
    """Read speech: one table of sentences, and a folder of wavs per speaker."""
    tables = [folder / name for name in _SENTENCE_TABLES]
    table = next(filter(Path.is_file, tables), tables[0])
    lines = rows(need(table), len(_SENTENCE_COLUMNS))
    if (heading := next(lines, None)) != _SENTENCE_COLUMNS:
        raise DataError(f"{table}: its first line is {heading} where {_SENTENCE_COLUMNS} is expected")
    for _, file, speaker, _, text in lines:
        yield Entry(Path(file).stem, folder / "WAV" / speaker / file, speaker, raw=text)


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
