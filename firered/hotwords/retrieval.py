"""Entries of a list that may have been said, by the text of a first pass: `Retriever`, `retriever_of`."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from firered.hotwords.chunks import chunks_of
from firered.hotwords.index import Found, SoundIndex
from firered.hotwords.likelihood import OF_WRITTEN, likelihood
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.sounds import Reader, Sounded, Units
from firered.hotwords.writing import Place, WrittenIndex

THRESHOLD = 0.3
_KEPT_LISTS, _KEPT_ENTRIES = 256, 400_000  # of the cache


class Candidate(NamedTuple):
    """An entry that may have been said.

    Attributes:
        number: its place in the list.
        phrase: the entry.
        score: the share of candidates with such a score that were said, 0 to 1 (see `likelihood`).
        start, end: the characters of the first pass's text that stand where it was said.
    """

    number: int
    phrase: Phrase
    score: float
    start: int
    end: int


class Retriever:
    """Finds entries of a list by how they sound and how they are written.

    It may be used by several threads at once. The order of the list makes no difference to what is found.

    Args:
        hotwords: the list.
        units: what texts are compared by, see `Reader`.

    Raises:
        ModuleNotFoundError: a package is missing that reads a script of the list; the extra `hotwords` brings them.
    """

    def __init__(self, hotwords: HotwordList, units: Units = "phonemes") -> None:
        self.hotwords, self.units = hotwords, units
        self._numbers = sorted(range(len(hotwords)), key=lambda number: hotwords[number].text)
        phrases = [hotwords[number] for number in self._numbers]
        chunks = [chunks_of(phrase.text) for phrase in phrases]
        self._written = WrittenIndex(chunks)
        self._reader = Reader(units, {chunk.kind for entry in chunks for chunk in entry})
        ways = [self._reader.of_entry(phrase, entry) for phrase, entry in zip(phrases, chunks, strict=True)]
        self._entry_of = np.repeat(np.arange(len(ways)), [len(way) for way in ways])  # of each row of the index
        self._index = SoundIndex([ids for way in ways for ids in way])
        self.unsounded = tuple(
            phrase for phrase, way, entry in zip(phrases, ways, chunks, strict=True) if not way and not entry
        )

    def candidates(self, text: str, limit: int = 10, threshold: float = THRESHOLD) -> list[Candidate]:
        """The entries that may have been said, the likeliest first, of equal ones the longest.

        What stands in the text as an entry is written, or has exactly its sounds from word to word, is always found,
        as far as `limit` and `threshold` allow.

        Args:
            text: of the first pass.
            limit: how many at most.
            threshold: the least score.
        """
        best: dict[int, tuple[float, float, int, int]] = {}
        for entry, score, start, end in self._found(text):
            if score >= threshold and (entry not in best or score > best[entry][0]):
                best[entry] = score, end - start, start, end
        order = sorted(best, key=lambda entry: (-best[entry][0], -best[entry][1], entry))[: max(limit, 0)]
        return [self._candidate(entry, best[entry][0], *best[entry][2:]) for entry in order]

    def written(self, text: str) -> list[Place]:
        """Every place of a text where an entry stands as it is written: its number in the list, start and end."""
        return [Place(self._numbers[entry], *span) for entry, *span in self._written.places(chunks_of(text))]

    def _candidate(self, entry: int, score: float, start: int, end: int) -> Candidate:
        number = self._numbers[entry]
        return Candidate(number, self.hotwords[number], score, start, end)

    def _found(self, text: str) -> Iterator[tuple[int, float, int, int]]:
        """(entry, score, start, end) of everything in a text that may be an entry, entries several times."""
        chunks = chunks_of(text)
        if not chunks or not len(self.hotwords):
            return
        for number, start, end in self._written.places(chunks):
            yield number, OF_WRITTEN, start, end
        for sounded in self._reader.of_text(text, chunks):
            found = [*self._index.exact(sounded), *self._index.near(sounded)]
            if not found:
                continue
            scores = self._scores(sounded, found)
            for (row, _, start, end), score in zip(found, scores, strict=True):
                if start < end:
                    yield int(self._entry_of[row]), score, int(sounded.starts[start]), int(sounded.ends[end - 1])

    def _scores(self, text: Sounded, found: list[Found]) -> list[float]:
        """The likelihood of each; what begins or ends within a word is less likely."""
        rows, distances, starts, ends = (np.array(column) for column in zip(*found, strict=True))
        border = np.ones(len(text.ids) + 1, bool)  # whether a word ends before each sound
        border[1:-1] = text.starts[1:] != text.starts[:-1]
        cut = 2 - border[starts].astype(int) - border[ends]
        return likelihood(self._index.weights[rows], distances, cut, len(self.hotwords)).tolist()


_retrievers: OrderedDict[tuple[HotwordList, Units], Retriever] = OrderedDict()
_lock = threading.Lock()


def retriever_of(hotwords: HotwordList, units: Units = "phonemes") -> Retriever:
    """The retriever of a list; those of the latest lists are kept, so that one that comes again is not made again."""
    key = (hotwords, units)
    with _lock:
        found = _retrievers.get(key)
        if found is not None:
            _retrievers.move_to_end(key)
            return found
    made = Retriever(hotwords, units)
    with _lock:
        made = _retrievers.setdefault(key, made)
        entries = sum(len(kept.hotwords) for kept in _retrievers.values())
        while len(_retrievers) > 1 and (len(_retrievers) > _KEPT_LISTS or entries > _KEPT_ENTRIES):
            _, dropped = _retrievers.popitem(last=False)
            entries -= len(dropped.hotwords)
    return made
