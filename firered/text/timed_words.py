"""The words of a text, as word times and CTM files have them: once, for given texts and for recognised ones.

White space of any kind ends a word, and every Han character is one. All else stays whole and as it is spelt: numbers,
addresses, hyphens, apostrophes, accents, letters of any script, emoji, letter case. Marks belong to the word that they
are written at: `Hello, world.` has the words `Hello,` and `world.`, and of `你好，世界` one is `好，`. A tag such as
`<unk>`, `[noise]` or `<|zh|>` is not cut, whatever is in it. So the words, joined, are the text without its white
space.
"""

import re
import unicodedata
from itertools import pairwise
from typing import NamedTuple

from firered.text.units import HAN

# Not every `<...>`: an address in angle brackets is spoken.
TAG = re.compile(r"<\|?[\w/-]+\|?>|\[[\w/-]+\]")
_PART = re.compile(rf"(?P<tag>{TAG.pattern})|(?P<han>{HAN.pattern})|.", re.DOTALL)
_SPOKEN_MARKS = "&@#%*+/＆＠＃％＊＋／"
_OPENING = ("Ps", "Pi")
_OF_A_NUMBER_OR_NAME = ".'’-"  # may begin a word: .5, 'tis, -3


class Span(NamedTuple):
    """Where a word is in its text: characters [start, end)."""

    start: int
    end: int


def is_silent(text: str) -> bool:
    """Whether nothing of a text is spoken: marks, combining and invisible characters alone, or nothing at all."""
    return all(unicodedata.category(char)[0] in "PMCZ" and char not in _SPOKEN_MARKS for char in text)


def words(text: str) -> list[str]:
    """The words of a text, spelt as there."""
    return [text[start:end] for start, end in word_spans(text)]


def word_spans(text: str) -> list[Span]:
    """Where the words of a text are in it; a stretch of invisible characters alone is none."""
    spans: list[Span] = []
    for stretch in re.finditer(r"\S+", text):
        if not all(unicodedata.category(char) in ("Cc", "Cf") for char in stretch[0]):
            edges = [*_starts(text, *stretch.span()), stretch.end()]
            spans += [Span(*span) for span in pairwise(edges)]
    return spans


def _starts(text: str, start: int, end: int) -> list[int]:
    """Where words start in a stretch [start, end) without white space: around its Han characters."""
    starts: list[int] = []
    other = start  # the first character after the last Han character
    for han in _han_places(text, start, end):
        starts += _start_between(text, other, han, follows=other > start)
        only_marks = starts and starts[-1] >= other and is_silent(text[starts[-1] : han])
        if not only_marks:  # else they open the Han character's word
            starts.append(_before_opening(text, other, han))
        other = han + 1
    return starts + _start_between(text, other, end, follows=other > start)


def _han_places(text: str, start: int, end: int) -> list[int]:
    """The places of Han characters that are in no tag."""
    if "<" not in text and "[" not in text:
        return [part.start() for part in HAN.finditer(text, start, end)]
    return [part.start() for part in _PART.finditer(text, start, end) if part["han"]]


def _start_between(text: str, start: int, end: int, follows: bool) -> list[int]:
    """Where the word in a stretch [start, end) between Han characters starts: behind the marks that end the one before.

    None where there is no more than those. `follows` says whether there is one before.
    """
    while follows and start < end and _closes(text, start, end):
        start += 1
    return [start] if start < end else []


def _before_opening(text: str, first: int, place: int) -> int:
    """The place of the first of the opening marks right before a place, none of them before `first`."""
    while place > first and unicodedata.category(text[place - 1]) in _OPENING:
        place -= 1
    return place


def _closes(text: str, place: int, end: int) -> bool:
    """Whether a character is a mark that belongs to what is before it."""
    if not is_silent(text[place]) or unicodedata.category(text[place]) in _OPENING:
        return False
    begins_word = text[place] in _OF_A_NUMBER_OR_NAME and place + 1 < end and not is_silent(text[place + 1])
    return not begins_word
