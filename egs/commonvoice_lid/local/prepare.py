"""The test sets of Common Voice in the languages that FireRedLID knows, as one set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora import tars
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below, not_there, numbered_lines, present, recipe_table
from firered.corpora.packed import Packed
from firered.data.files import visible
from firered.errors import DataError

TABLES = Path(__file__).resolve().parents[1] / "tables"
SPEAKER_LENGTH = 12  # of the 128 hexadecimal digits of a client
GET = "get the languages from commonvoice.mozilla.org/datasets and unpack them in one folder"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the languages of tables/languages.tsv; CORPUS is a release, or its copy on a hub."""
    codes = recipe_table(TABLES / "languages.tsv")
    places = "*/test.tsv", "transcript/*/test.tsv"
    tables = {table.parent.name: table for place in places for table in visible(corpus, place)}
    found = CorpusSet("commonvoice-lid", corpus)
    if tables:
        for language in present(codes, tables, "languages"):
            try:
                add_language(found, corpus, language, tables[language], codes[language])
            except DataError as error:
                found.miss(language, str(error))
    elif not add_parquet(found, corpus, codes):
        raise not_there(corpus / "<language>/test.tsv", GET)
    yield found


def add_language(found: CorpusSet, corpus: Path, language: str, table: Path, code: str) -> None:
    """Add the clips of a language's test set.

    Raises:
        DataError: its table or an archive of it cannot be read.
    """
    audio = where_audio_is(corpus, language)
    for client, clip in clips(table):
        path = audio.get(Path(clip).stem, corpus / language / "clips" / clip)
        found.add(Entry(Path(clip).stem, path, client[:SPEAKER_LENGTH], language=code))


def where_audio_is(corpus: Path, language: str) -> dict[str, Path | Packed]:
    """The clips that a copy has in audio/<language>/test, in tar files or unpacked, by their names without suffix."""
    folder = corpus / "audio" / language / "test"
    found: dict[str, Path | Packed] = {}
    for tar in visible(folder, "*.tar*"):
        found |= {name: Packed(tar, name) for name in tars.names(tar)}
    return found | {path.stem: path for path in files_below(folder, ".mp3")}


def add_parquet(found: CorpusSet, corpus: Path, codes: dict[str, str]) -> bool:
    """Add the clips of parquet files, in a folder for each language or together; False where there are none."""
    folders = {language: copy_of(corpus, *language.lower().split("-"), "test") for language in codes}
    folders = {language: files for language, files in folders.items() if files}
    together = [] if folders else copy_of(corpus, "test")
    part = CorpusSet(found.name, corpus)
    for language, files in folders.items():
        of_language = CorpusSet(language, corpus)
        add_copy(of_language, corpus, files)
        found.missing += of_language.missing
        part.entries |= {key: replace(entry, language=language) for key, entry in of_language.entries.items()}
    add_copy(part, corpus, together)
    found.missing += part.missing
    if folders or together:
        present(codes, {str(entry.language) for entry in part.entries.values()}, "languages")
    for entry in part.entries.values():
        if code := codes.get(str(entry.language)):
            found.add(replace(entry, speaker=entry.speaker[:SPEAKER_LENGTH], text=None, language=code))
    return bool(folders or together)


def clips(table: Path) -> Iterator[tuple[str, str]]:
    """(client, file name) of each clip; old releases leave out the suffix.

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
        yield clip["client_id"], clip["path"].removesuffix(".mp3") + ".mp3"


if __name__ == "__main__":
    prepare(read)
