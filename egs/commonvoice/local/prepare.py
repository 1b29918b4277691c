"""The sets of Common Voice in the languages of the papers' tables."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.commonvoice import GET, entries_of, parquet_of, read_parquet, tables_of
from firered.corpora.copies import copy_of
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
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
    for part in ("dev", "train"):
        own = tables_of(corpus, part)
        for name, language in sets.items():
            yield Reading(f"{name}-{part}", partial(read_part, corpus, name, language, part), language in own)


def read_part(corpus: Path, name: str, language: str, part: str) -> CorpusSet:
    """Dev or train of a language of a release, whose folder has this name.

    Raises:
        DataError: it has no such table.
    """
    found = CorpusSet(f"{name}-{part}", corpus, measure=True, language=name.removeprefix(PREFIX))
    table = tables_of(corpus, part).get(language)
    if table is None:
        raise not_there(corpus / language / f"{part}.tsv", GET)
    add_all(found, entries_of(corpus, table))
    return found


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
    add_all(found, entries)
    return found


def add_all(found: CorpusSet, entries: Iterable[Entry]) -> None:
    """Add utterances to a set, which has their language; those without a sentence are missing."""
    for entry in entries:
        if entry.text:
            found.add(replace(entry, language=None))
        else:
            found.miss(entry.key, "no sentence")


if __name__ == "__main__":
    prepare(read)
