"""Which entries of a list stand in a text: `Standing`, for lists of any length."""

from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from firered.hotwords.lists import HotwordList
from firered.hotwords.occurrences import is_whole, plain


class Place(NamedTuple):
    """Characters [start, end) of a text, and the entries that are written there but for case and width."""

    start: int
    end: int
    entries: tuple[str, ...]


class Standing:
    """The entries of a list by how they are written, in lower case and half width.

    Args:
        hotwords: the list.
    """

    def __init__(self, hotwords: HotwordList) -> None:
        entries: dict[str, list[str]] = defaultdict(list)
        for text in hotwords.texts:
            entries[plain(text)].append(text)
        self._entries = {key: tuple(texts) for key, texts in entries.items()}
        self._lengths = sorted({len(key) for key in self._entries})

    def places(self, text: str) -> list[Place]:
        """All places where entries stand, words in letters whole; some may overlap."""
        found = []
        folded = plain(text)
        for start in range(len(folded)):
            for length in self._lengths:
                end = start + length
                if end > len(folded):
                    break
                entries = self._entries.get(folded[start:end])
                if entries and is_whole(folded, start, end):
                    found.append(Place(start, end, entries))
        return found


@lru_cache(maxsize=8)  # lists of 100,000 entries are large
def standing_of(hotwords: HotwordList) -> Standing:
    """That of a list; those of the latest lists are kept."""
    return Standing(hotwords)
