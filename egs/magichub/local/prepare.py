"""The dialect corpora of MagicHub."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import Reading
from firered.corpora.magichub import read_here

TABLES = Path(__file__).resolve().parents[1] / "tables"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the sets that tables/sets.tsv names; CORPUS holds a folder for each."""
    return read_here(corpus, TABLES)


if __name__ == "__main__":
    prepare(read)
