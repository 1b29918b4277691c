"""Recordings drawn to be labelled by hand, with a detector's labels as drafts, and which of them have been corrected.

A folder of such labels has a TextGrid a recording, in a folder a language, and `drawn.tsv`, which lists them all with
a column `corrected`: `no` until someone has been through the recording and writes `yes`.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.corpora.fleurs import Recording, languages_here, read_language
from firered.corpora.packed import Packed, unpack
from firered.data.datadir import write_lines, write_table
from firered.data.lines import read_lines
from firered.data.write import seconds, textgrid
from firered.errors import DataError, writing

LIST = "drawn.tsv"
TIER = "speech"
_HEADING = ("language", "recording", "corrected")
_ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Drawn:
    """A recording of the list."""

    language: str
    recording: str
    corrected: bool = False


def read_drawn(folder: Path) -> list[Drawn] | None:
    """The list of a folder of labels; None where it has none: its labels are then taken as they are.

    Raises:
        DataError: a line of the list cannot be read.
    """
    path = folder / LIST
    if not path.exists():
        return None
    lines = [(number, line.split("\t")) for number, line in read_lines(path) if line.strip()]
    if not lines or tuple(lines[0][1]) != _HEADING:
        raise DataError(f"{path}:1: expected the columns {' '.join(_HEADING)} between tabs")
    drawn = []
    for number, row in lines[1:]:
        if len(row) != len(_HEADING) or row[2].strip().lower() not in _ANSWERS:
            raise DataError(f"{path}:{number}: expected language, recording, and yes or no between tabs: {row}")
        drawn.append(Drawn(row[0], row[1], _ANSWERS[row[2].strip().lower()]))
    return drawn


def draw(names: Mapping[str, Sequence[str]], each: int, seed: int) -> list[Drawn]:
    """Up to `each` recordings of every language, drawn at random by the seed, sorted.

    What is drawn of a language depends on its own recordings alone. A name that several languages have is not drawn.
    """
    counts = Counter(name for of_language in names.values() for name in set(of_language))
    drawn = []
    for language in sorted(names):
        able = sorted(name for name in set(names[language]) if counts[name] == 1)
        chosen = random.Random(f"{seed} {language}").sample(able, min(each, len(able)))
        drawn += [Drawn(language, name) for name in sorted(chosen)]
    return drawn


def draw_fleurs(corpus: Path, folder: Path, out: Path, each: int, seed: int) -> list[Drawn]:
    """The recordings drawn of FLEURS' test sets, listed in `folder`, with a data directory of them in `out`.

    A list that is there is kept, and with it what has been corrected, if it is of the same recordings.

    Raises:
        DataError: the list that is there is of others; a language cannot be read.
    """
    recordings: dict[str, dict[str, Recording]] = {
        language: {recording.name: recording for recording in read_language(corpus, language)}
        for language in languages_here(corpus)
    }
    drawn = draw({language: list(of_language) for language, of_language in recordings.items()}, each, seed)
    listed = read_drawn(folder)
    if listed is not None and [(item.language, item.recording) for item in listed] != [
        (item.language, item.recording) for item in drawn
    ]:
        raise DataError(f"{folder / LIST}: lists other recordings than are drawn now (--seed, or another corpus?)")
    if listed is None:
        rows = ["\t".join((item.language, item.recording, "no")) for item in drawn]
        write_lines(folder / LIST, ["\t".join(_HEADING), *rows])
    _write_data(out, {item.recording: recordings[item.language][item.recording] for item in drawn})
    return drawn


def _write_data(out: Path, recordings: Mapping[str, Recording]) -> None:
    """A data directory of the recordings; those inside of other files are unpacked into it.

    Raises:
        DataError: recordings are missing.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    packed = {name: recording.path for name, recording in recordings.items() if isinstance(recording.path, Packed)}
    made = unpack(packed, out / "audio") if packed else None
    files = {name: recording.path for name, recording in recordings.items() if isinstance(recording.path, Path)}
    files |= made.files if made else {}
    lacking = [name for name in recordings if name not in files or not files[name].is_file()]
    if lacking:
        raise DataError(f"{len(lacking)} recordings have no audio, the first is {lacking[0]}: {files.get(lacking[0])}")
    write_table(out / "wav.scp", {name: str(path.absolute()) for name, path in files.items()})
    write_table(out / "utt2spk", {name: name for name in files})
    write_table(out / "spk2utt", {name: name for name in files})
    write_table(out / "utt2dur", {name: seconds(recordings[name].duration_s) for name in files})


def write_drafts(vad: Path, data: Path, folder: Path) -> int:
    """The number of TextGrids written for the recordings listed in `folder`, each with a link to its audio beside it.

    Labels are those that a detector wrote into `vad` (vad.jsonl). A TextGrid that is there is never written over.

    Raises:
        DataError: there is no list, or a recording of it has not been through the detector.
    """
    drawn = read_drawn(folder)
    if drawn is None:
        raise DataError(f"{folder / LIST}: not there")
    found = {result["uttid"]: result for result in (json.loads(line) for _, line in read_lines(vad / "vad.jsonl"))}
    audio = dict(line.split(maxsplit=1) for _, line in read_lines(data / "wav.scp"))
    written = 0
    for item in drawn:
        if item.recording not in found:
            raise DataError(f"{vad}: nothing of {item.recording}; {vad / 'failed'} says why")
        path = folder / item.language / f"{item.recording}.TextGrid"
        source = Path(audio[item.recording].strip())
        _link(path.with_suffix(source.suffix), source)
        if not path.exists():
            result = found[item.recording]
            spans = [(*span, TIER) for span in result["timestamps"]]
            write_lines(path, textgrid(result["dur"], spans, [TIER]).splitlines())
            written += 1
    return written


def _link(link: Path, source: Path) -> None:
    """Let a link name the source; one that leads nowhere any more is replaced."""
    if not link.exists():
        with writing(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(source)
