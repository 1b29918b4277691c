"""The test sets of Common Voice in the languages of the papers' tables."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.commonvoice import GET, entries_of, parquet_of, read_parquet, tables_of
from firered.corpora.copies import copy_of
from firered.corpora.corpus_set import CorpusSet, Reading
from firered.corpora.files import not_there, present, recipe_table

TABLES = Path(__file__).resolve().parents[1] / "tables"
PREFIX = "commonvoice-"  # of a set's name; what follows is the code of its language


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the languages that tables/sets.tsv names; CORPUS is a release, or its copy on a hub."""
    sets = recipe_table(TABLES / "sets.tsv")
    tables = tables_of(corpus)
    here = {name for name, language in sets.items() if language in tables}
    if not tables:
        here = {name for name, language in sets.items() if parquet_of(corpus, language)}
    if not tables and not here and copy_of(corpus, "test"):
        here = set(sets)  # files of all languages together: which there are is known when they are read
    if not here:
        wanted = f"{{{','.join(sets.values())}}}/test.tsv"
        raise not_there(corpus / wanted, GET)
    for name in present(sets, here, "languages"):
        yield Reading(name, partial(read_set, corpus, name, sets[name]))


def read_set(corpus: Path, name: str, language: str) -> CorpusSet:
    """The test set of a language, whose folder has this name."""
    found = CorpusSet(name, corpus, language=name.removeprefix(PREFIX))
    table = tables_of(corpus).get(language)
    if table is not None:
        entries = list(entries_of(corpus, table))
    else:
        of_language = parquet_of(corpus, language)
        copy = read_parquet(corpus, of_language or copy_of(corpus, "test"))
        entries = [entry for entry in copy.entries.values() if of_language or entry.language == language]
        found.missing += copy.missing
    for entry in entries:
        if entry.text:
            found.add(replace(entry, language=None))
        else:
            found.miss(entry.key, "no sentence")
    return found


if __name__ == "__main__":
    prepare(read)
