"""Excerpts of AMI meetings with the turns of their speakers as labels of voice activity."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.data.files import matching
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import read_labels


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the recordings in CORPUS, a folder of wav files and the RTTM files that label them."""
    spans = read_labels(corpus, VadScoreConfig()).spans
    found = CorpusSet("ami", corpus)
    for wav in matching(corpus, "*.wav"):
        if wav.stem in spans:
            found.add(Entry(wav.stem, wav, speech=sorted(spans[wav.stem])))
        else:
            found.miss(wav.stem, f"no labels in {corpus}/*.rttm")
    yield found


if __name__ == "__main__":
    prepare(read)
