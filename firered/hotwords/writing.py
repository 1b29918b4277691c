"""Phrases found in a text as they are written: `WrittenIndex`."""

from collections.abc import Sequence
from typing import NamedTuple

from firered.hotwords.chunks import Chunk, written


class Place(NamedTuple):
    """Where a phrase stands in a text: its number and characters [start, end) of the text."""

    number: int
    start: int
    end: int


class WrittenIndex:
    """Phrases by their chunks, whatever case and width they are in and whatever marks and spaces are between.

    Args:
        phrases: the chunks of each; one without any is never found.
    """

    def __init__(self, phrases: Sequence[Sequence[Chunk]]) -> None:
        self._numbers: dict[tuple[str, ...], list[int]] = {}
        lengths: dict[str, set[int]] = {}
        for number, chunks in enumerate(phrases):
            if chunks:
                words = tuple(map(written, chunks))
                self._numbers.setdefault(words, []).append(number)
                lengths.setdefault(words[0], set()).add(len(words))
        self._lengths = {first: sorted(found) for first, found in lengths.items()}

    def places(self, chunks: Sequence[Chunk]) -> list[Place]:
        """Every place of a text, given as its chunks, where a phrase stands."""
        words = tuple(map(written, chunks))
        return [
            Place(number, chunks[begin].start, chunks[begin + length - 1].end)
            for begin, first in enumerate(words)
            for length in self._lengths.get(first, ())
            if begin + length <= len(words)
            for number in self._numbers.get(words[begin : begin + length], ())
        ]
