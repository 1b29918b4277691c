"""The test set of Opencpop."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet
from firered.corpora.opencpop import read_part


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of Opencpop; CORPUS holds segments/, or is that folder."""
    yield read_part(corpus, "test", "opencpop")


if __name__ == "__main__":
    prepare(read)
