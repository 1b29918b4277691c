"""AMI meetings, or excerpts of them, with the turns of their speakers as labels of voice activity."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.ami import read_meetings
from firered.corpora.corpus_set import CorpusSet


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the recordings under CORPUS, wav files and the RTTM files that label them."""
    yield read_meetings(corpus, "ami")


if __name__ == "__main__":
    prepare(read)
