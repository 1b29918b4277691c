"""Opencpop: songs of one singer cut into phrases, with the duration of every phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need, rows
from firered.errors import DataError

EXPECTED = {"train": 3550, "test": 206}  # utterances
_COLUMNS = 7  # utterance, lyrics, phones, notes, durations of the notes, of the phones, slurs
_GET = "get the corpus on application at wenet.org.cn/opencpop"
_SINGER = "opencpop"
_NOT_SUNG = ("AP", "SP")  # a breath, a pause
_SONG = 4  # digits of an utterance's name that are its song's


class Phrase(NamedTuple):
    """A phrase of a song: its audio, and start and end in seconds of what is sung in it, without breaths and pauses."""

    key: str
    wav: Path
    sung: list[tuple[float, float]]

    @property
    def song(self) -> str:
        """The song that it is of."""
        return self.key[:_SONG]


def read_part(corpus: Path, part: str, name: str) -> CorpusSet:
    """The phrases of `train` or `test` with their lyrics; `corpus` holds segments/, or is that folder.

    Raises:
        DataError: the table is not there or cannot be read.
    """
    table = _table(corpus, part)
    found = CorpusSet(name, table.parent, EXPECTED[part], language="zh")
    for key, lyrics, *_ in rows(table, _COLUMNS, separator="|"):
        found.add(Entry(key, table.parent / "wavs" / f"{key}.wav", _SINGER, lyrics))
    return found


def phrases(corpus: Path, part: str) -> Iterator[Phrase]:
    """The phrases of `train` or `test` with the times of what is sung.

    Raises:
        DataError: the table is not there, or a line of it cannot be read.
    """
    table = _table(corpus, part)
    for key, _, phones, _, _, durations, _ in rows(table, _COLUMNS, separator="|"):
        try:
            sung = sung_spans(phones.split(), [float(duration) for duration in durations.split()])
        except ValueError as error:
            raise DataError(f"{table}: {key}: needed is a duration for each phone: {error}") from None
        yield Phrase(key, table.parent / "wavs" / f"{key}.wav", sung)


def sung_spans(phones: list[str], durations: list[float]) -> list[tuple[float, float]]:
    """Start and end in seconds of the stretches between breaths and pauses.

    Raises:
        ValueError: there is not one duration for each phone.
    """
    spans: list[tuple[float, float]] = []
    at_s, singing = 0.0, False
    for phone, duration in zip(phones, durations, strict=True):
        if phone not in _NOT_SUNG:
            start_s = spans.pop()[0] if singing else at_s
            spans.append((start_s, at_s + duration))
        singing = phone not in _NOT_SUNG
        at_s += duration
    return spans


def _table(corpus: Path, part: str) -> Path:
    folder = corpus if (corpus / f"{part}.txt").is_file() else corpus / "segments"
    return need(folder / f"{part}.txt", _GET)
