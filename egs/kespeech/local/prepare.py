"""The test set of KeSpeech."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet
from firered.corpora.kespeech import read_test


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of KeSpeech; CORPUS holds Audio/ and Tasks/."""
    yield read_test(corpus, "kespeech")


if __name__ == "__main__":
    prepare(read)
