"""Entries of a list that may have been said, by the text of a first pass: `Retriever`, `retriever_of`."""

import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from firered.hotwords.chunks import chunks_of
from firered.hotwords.index import SoundIndex
from firered.hotwords.likelihood import likelihood, of_written
from firered.hotwords.lists import THRESHOLD, HotwordList, Phrase
from firered.hotwords.sounds import Reader, Sounded, Units
from firered.hotwords.writing import WrittenIndex

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


class Place(NamedTuple):
    """Where an entry may have been said, with what its score is made of.

    Attributes:
        score, number, start, end: see `Candidate`.
        weight: of the entry as it was said here: about its syllables; if it is written there, the characters.
        distance: of the alignment, as a share of the weight.
        cut: how many of its ends are within a word of the text.
        written: whether the text has it as it is written.
    """

    score: float
    number: int
    weight: float
    distance: float
    cut: int
    start: int
    end: int
    written: bool


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
        self._number_of = np.repeat(
            np.array(self._numbers, np.int64), [len(way) for way in ways]
        )  # of the index's rows
        self._index = SoundIndex([ids for way in ways for ids in way])

    def candidates(self, text: str, limit: int = 10, threshold: float = THRESHOLD) -> list[Candidate]:
        """The entries that may have been said, the likeliest first, of equal ones the longest.

        What stands in the text as an entry is written, or has exactly its sounds from word to word, is always found,
        as far as `limit` and `threshold` allow.

        Args:
            text: of the first pass.
            limit: how many at most.
            threshold: the least score.
        """
        best: dict[int, Place] = {}
        for place in self.found(text):
            if place.score >= threshold and (place.number not in best or place > best[place.number]):
                best[place.number] = place
        order = sorted(best.values(), key=lambda place: (-place.score, -place.weight, self.hotwords[place.number].text))
        return [
            Candidate(place.number, self.hotwords[place.number], place.score, place.start, place.end)
            for place in order[: max(limit, 0)]
        ]

    def written(self, text: str) -> list[tuple[int, int, int]]:
        """Every place of a text where an entry stands as it is written: its number in the list, start and end."""
        return [(self._numbers[entry], start, end) for entry, start, end in self._written.places(chunks_of(text))]

    def found(self, text: str) -> list[Place]:
        """Everything in a text that may be an entry, an entry as often as it may be there."""
        chunks = chunks_of(text)
        if not chunks or not len(self.hotwords):
            return []
        places = [
            Place(of_written(end - start), self._numbers[entry], end - start, 0.0, 0, start, end, True)
            for entry, start, end in self._written.places(chunks)
        ]
        for sounded in self._reader.of_text(text, chunks):
            places += self._sounding(sounded)
        return places

    def _sounding(self, text: Sounded) -> list[Place]:
        """What sounds like an entry in one way of reading a text."""
        found = [*self._index.exact(text), *(near for near in self._index.near(text) if near.start < near.end)]
        if not found:
            return []
        rows, distances, starts, ends = (np.array(column) for column in zip(*found, strict=True))
        border = np.ones(len(text.ids) + 1, bool)  # whether a word ends before each sound
        border[1:-1] = text.starts[1:] != text.starts[:-1]
        cut = 2 - border[starts].astype(int) - border[ends]
        weights = self._index.weights[rows]
        scores = likelihood(weights, distances, cut, len(self.hotwords), len(text.ids))
        columns = (scores, self._number_of[rows], weights, distances, cut, text.starts[starts], text.ends[ends - 1])
        places = zip(*(column.tolist() for column in columns), [False] * len(found), strict=True)
        return list(map(Place._make, places))


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
