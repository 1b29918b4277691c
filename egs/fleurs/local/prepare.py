"""The English test set of FLEURS."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.fleurs import read_language

LANGUAGE = "en_us"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the English test set of FLEURS; CORPUS holds data/en_us/."""
    found = CorpusSet("fleurs-en", corpus / "data" / LANGUAGE)
    for recording in read_language(corpus, LANGUAGE):
        if recording.text:
            found.add(Entry(recording.name, recording.path, text=recording.text, duration_s=recording.duration_s))
        else:
            found.miss(recording.name, "no transcript")
    yield found


if __name__ == "__main__":
    prepare(read)
