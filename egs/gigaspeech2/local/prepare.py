"""The test sets of GigaSpeech 2, one for each language."""

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora import tars
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import files_below, need, not_there, numbered_lines, present
from firered.corpora.packed import Packed
from firered.data.files import visible
from firered.errors import DataError

LANGUAGES = ("id", "th", "vi")
SUFFIXES = (".wav", ".flac", ".opus", ".mp3")
HEADING = {"segment_id", "id", "utt_id"}  # a first line with one of these names columns, one of which is `text`
GET = (
    "accept the terms on its page and fetch it: hf download speechcolab/gigaspeech2 --repo-type dataset "
    "--include 'data/*/test.tsv' 'data/*/test.tar.gz' --local-dir {}"
)


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the test sets of GigaSpeech 2; CORPUS holds data/id, data/th and data/vi, or is data."""
    root = corpus / "data" if (corpus / "data").is_dir() else corpus
    get = GET.format(shlex.quote(str(corpus)))
    here = [language for language in LANGUAGES if (root / language / "test.tsv").is_file()]
    if not here:
        raise not_there(corpus / "data/<language>/test.tsv", get)
    for language in present(LANGUAGES, here, "languages"):
        yield Reading(f"gigaspeech2-{language}", partial(read_set, root / language, language, get))


def read_set(folder: Path, language: str, get: str) -> CorpusSet:
    """The test set of a language: a table of transcripts, and recordings by the names of their segments."""
    found = CorpusSet(f"gigaspeech2-{language}", folder, language=language)
    audio = where_audio_is(folder, get)
    transcripts = set()
    for key, text in segments(folder / "test.tsv"):
        transcripts.add(key)
        if not text:
            found.miss(key, f"no text in {folder}/test.tsv")
        elif key not in audio:
            found.miss(key, f"no recording of this name in {folder}/test")
        else:
            found.add(Entry(key, audio[key], text=text))
    for key in sorted(audio.keys() - transcripts):
        found.leave_out(key, f"not in {folder}/test.tsv")
    return found


def where_audio_is(folder: Path, get: str) -> dict[str, Path | Packed]:
    """The recordings by their names without suffix: those unpacked below test/, or in the archive beside it."""
    found: dict[str, Path | Packed] = {}
    if not (folder / "test").is_dir():
        for tar in visible(folder, "test*.tar*"):
            found |= {name: Packed(tar, name) for name in tars.names(tar)}
    if not found:
        found |= {path.stem: path for path in files_below(need(folder / "test", get), *SUFFIXES)}
    return found


def segments(table: Path) -> Iterator[tuple[str, str]]:
    """(segment, text) of each line; the published table has these two columns and no heading.

    Raises:
        DataError: a line has fewer columns.
    """
    places = 0, 1
    for number, line in numbered_lines(table):
        fields = [field.strip() for field in line.split("\t")]
        names = [name.lower() for name in fields]
        if number == 1 and HEADING & set(names) and "text" in names:
            places = next(names.index(name) for name in names if name in HEADING), names.index("text")
        elif len(fields) <= max(places):
            raise DataError(f"{table}:{number}: not `segment<TAB>text`: {line!r}")
        else:
            yield Path(fields[places[0]]).name.removesuffix(".wav"), fields[places[1]]


if __name__ == "__main__":
    prepare(read)
