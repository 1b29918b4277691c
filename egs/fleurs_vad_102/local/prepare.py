"""Recordings of FLEURS for which there are labels of voice activity."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.drafts import read_drawn
from firered.corpora.fleurs import languages_here, read_language
from firered.errors import DataError
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import Span, read_labels

EXPECTED = 9443


def read(corpus: Path, labels: Path) -> Iterator[CorpusSet]:
    """Data directory of the recordings of FLEURS (CORPUS holds data/<language>/) that the files in LABELS name."""
    spans = read_labels(labels, VadScoreConfig()).spans
    drafts = {item.recording for item in read_drawn(labels) or () if not item.corrected}
    found = CorpusSet("fleurs-vad-102", labels, EXPECTED)
    for language in languages_here(corpus):
        try:
            add_language(found, corpus, language, spans, drafts)
        except DataError as error:
            found.miss(language, str(error))
    for name in sorted(spans.keys() - found.entries.keys()):
        found.miss(name, f"has labels and is in no test set of {corpus}/data")
    yield found


def add_language(found: CorpusSet, corpus: Path, language: str, spans: dict[str, list[Span]], drafts: set[str]) -> None:
    """Add the recordings of a language that have labels; raises DataError where it cannot be read."""
    for recording in read_language(corpus, language):
        name = recording.name
        if name in spans:
            speech = sorted(spans[name])
            seconds, draft = recording.duration_s, name in drafts
            found.add(Entry(name, recording.path, language=language, duration_s=seconds, speech=speech, draft=draft))


if __name__ == "__main__":
    prepare(read)
