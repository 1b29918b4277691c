"""Common Voice: a table and a folder of clips for each language, as it is released or in copies of hubs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from firered.corpora import tars
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below, numbered_lines, rows
from firered.corpora.packed import Packed
from firered.data.files import visible
from firered.errors import DataError

GET = "get the languages from commonvoice.mozilla.org/datasets and unpack them in one folder"
TEST = "test"
_SPEAKER_LENGTH = 12  # of the 128 hexadecimal digits of a client


@dataclass(frozen=True)
class Clip:
    """One row of a table: who speaks, the name of the file, and the sentence, where the table has it."""

    client: str
    file: str
    sentence: str


def tables_of(corpus: Path, part: str = TEST) -> dict[str, Path]:
    """The tables of test, dev or train, in a release or in a copy of tar files, by languages as folders are named."""
    places = f"*/{part}.tsv", f"transcript/*/{part}.tsv"
    return {table.parent.name: table for place in places for table in visible(corpus, place)}


def entries_of(corpus: Path, table: Path) -> Iterator[Entry]:
    """The utterances of a language's table, with the sentences as transcripts.

    Raises:
        DataError: its table or an archive of it cannot be read.
    """
    language = table.parent.name
    audio = _where_audio_is(corpus, language, table.stem)
    durations = _durations(table.with_name("clip_durations.tsv"))
    for clip in _clips(table):
        path = audio.get(Path(clip.file).stem, corpus / language / "clips" / clip.file)
        speaker, duration_s = clip.client[:_SPEAKER_LENGTH], durations.get(clip.file)
        yield Entry(Path(clip.file).stem, path, speaker, clip.sentence, duration_s=duration_s)


def _durations(table: Path) -> dict[str, float]:
    """Seconds of each clip, of releases that have a table of them in milliseconds; of others none."""
    if not table.is_file():
        return {}
    heading, *rows_of = rows(table, 2)
    try:
        return {clip: int(milliseconds) / 1000 for clip, milliseconds in rows_of}
    except ValueError:
        raise DataError(f"{table}: its second column, {heading[1]}, is not of whole milliseconds") from None


def parquet_of(corpus: Path, language: str) -> list[Path]:
    """The parquet files of a language's test set, in a folder of its own."""
    return copy_of(corpus, *language.lower().split("-"), "test")


def read_parquet(corpus: Path, files: list[Path]) -> CorpusSet:
    """The utterances of these files; their languages are those of the column `locale`."""
    found = CorpusSet("", corpus)
    add_copy(found, corpus, files)
    found.entries = {
        key: replace(entry, speaker=entry.speaker[:_SPEAKER_LENGTH]) for key, entry in found.entries.items()
    }
    return found


def _where_audio_is(corpus: Path, language: str, part: str) -> dict[str, Path | Packed]:
    """The clips that a copy has in audio/<language>/<part>, in tar files or unpacked, by their names without suffix."""
    folder = corpus / "audio" / language / part
    found: dict[str, Path | Packed] = {}
    for tar in visible(folder, "*.tar*"):
        found |= {name: Packed(tar, name) for name in tars.names(tar)}
    return found | {path.stem: path for path in files_below(folder, ".mp3")}


def _clips(table: Path) -> Iterator[Clip]:
    """The rows of a table; old releases leave out the suffix of the file.

    Raises:
        DataError: the table has no such columns.
    """
    lines = numbered_lines(table)
    heading = next(lines, (1, ""))[1].split("\t")
    if not {"client_id", "path"} <= set(heading):
        raise DataError(f"{table}: no columns client_id and path; there are {heading}")
    for number, line in lines:
        clip = dict(zip(heading, line.split("\t"), strict=False))
        if not clip.get("path"):
            raise DataError(f"{table}:{number}: no path: {line!r}")
        yield Clip(clip["client_id"], clip["path"].removesuffix(".mp3") + ".mp3", clip.get("sentence", "").strip())
