"""The test sets of Common Voice in the languages that FireRedLID knows, as one set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.commonvoice import GET, entries_of, parquet_of, read_parquet, tables_of
from firered.corpora.copies import copy_of
from firered.corpora.corpus_set import CorpusSet
from firered.corpora.files import not_there, present, recipe_table
from firered.errors import DataError

TABLES = Path(__file__).resolve().parents[1] / "tables"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the languages of tables/languages.tsv; CORPUS is a release, or its copy on a hub."""
    codes = recipe_table(TABLES / "languages.tsv")
    tables = tables_of(corpus)
    found = CorpusSet("commonvoice-lid", corpus)
    if tables:
        for language in present(codes, tables, "languages"):
            try:
                for entry in entries_of(corpus, tables[language]):
                    found.add(replace(entry, text=None, language=codes[language]))
            except DataError as error:
                found.miss(language, str(error))
    elif not add_parquet(found, corpus, codes):
        raise not_there(corpus / "<language>/test.tsv", GET)
    yield found


def add_parquet(found: CorpusSet, corpus: Path, codes: dict[str, str]) -> bool:
    """Add the clips of parquet files, in a folder for each language or together; False where there are none."""
    folders = {language: files for language in codes if (files := parquet_of(corpus, language))}
    together = [] if folders else copy_of(corpus, "test")
    part = CorpusSet(found.name, corpus)
    for language, files in folders.items():
        of_language = read_parquet(corpus, files)
        found.missing += of_language.missing
        part.entries |= {key: replace(entry, language=language) for key, entry in of_language.entries.items()}
    if together:
        part = read_parquet(corpus, together)
        found.missing += part.missing
    if folders or together:
        present(codes, {str(entry.language) for entry in part.entries.values()}, "languages")
    for entry in part.entries.values():
        if code := codes.get(str(entry.language)):
            found.add(replace(entry, text=None, language=code))
    return bool(folders or together)


if __name__ == "__main__":
    prepare(read)
