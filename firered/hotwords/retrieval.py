"""Entries of a list that may have been said, by the text of a first pass: `Retriever`, `retriever_of`."""

import threading
from collections import OrderedDict
from typing import Literal, NamedTuple, TypeAlias

from firered.hotwords.index import SoundIndex
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.sounds import sounds_of

Units: TypeAlias = Literal["paper", "phonemes"]

THRESHOLD = 0.3
_KEPT_LISTS, _KEPT_ENTRIES = 256, 400_000  # of the cache


class Candidate(NamedTuple):
    """An entry that may have been said.

    Attributes:
        number: its place in the list.
        phrase: the entry.
        score: how likely it is that it was said, 0 to 1.
        start, end: the characters of the first pass's text that stand where it was said.
    """

    number: int
    phrase: Phrase
    score: float
    start: int
    end: int


class Retriever:
    """Finds entries of a list by how they sound.

    Args:
        hotwords: the list.
        units: what texts are compared by.
    """

    def __init__(self, hotwords: HotwordList, units: Units = "phonemes") -> None:
        self.hotwords, self.units = hotwords, units
        self._index = SoundIndex([sounds_of(phrase.text).ids for phrase in hotwords])

    def candidates(self, text: str, limit: int = 10, threshold: float = THRESHOLD) -> list[Candidate]:
        """The entries that may have been said, the likeliest first.

        Args:
            text: of the first pass.
            limit: how many at most.
            threshold: the least score.
        """
        sounded = sounds_of(text)
        found = self._index.search(sounded, limit, 1 - threshold)
        return [
            Candidate(
                entry,
                self.hotwords[entry],
                1 - distance,
                int(sounded.starts[start]),
                int(sounded.ends[max(start, end - 1)]),
            )
            for entry, distance, start, end in found
        ]


_retrievers: OrderedDict[tuple[HotwordList, str], Retriever] = OrderedDict()
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
