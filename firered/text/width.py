"""How wide a text is: in columns of fixed width, or in characters as the models' rules count them."""

import functools
import re
import unicodedata

_ZERO_WIDTH = ("Mn", "Me", "Cf")
_LATIN = re.compile("[a-zA-Z0-9]")
_LATIN_AND_APOSTROPHES = re.compile("[a-zA-Z0-9']")


def columns(text: str) -> int:
    """How many columns a text takes: 2 a character that is wide in East Asian type, 0 a combining one, 1 any other."""
    return sum(_column_count(character) for character in text)


@functools.cache
def _column_count(character: str) -> int:
    return 0 if unicodedata.category(character) in _ZERO_WIDTH else _cell_count(character)


@functools.lru_cache(maxsize=1 << 16)
def cells(text: str) -> int:
    """How many cells of a plain-text table a text takes: 2 a character wide in East Asian type, 1 any other.

    Unlike `columns` it has a place for combining characters, as NIST's and Kaldi's tables of alignments have.
    """
    return sum(_cell_count(character) for character in text)


def _cell_count(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, size: int) -> str:
    """A text filled up with spaces to so many cells."""
    return text + " " * (size - cells(text))


def spoken_length(text: str) -> float:
    """The spoken length of a text in Chinese characters: a half for an ASCII letter or digit, one for any other."""
    return len(text) - 0.5 * len(_LATIN.findall(text))


def sentence_width(text: str) -> float:
    """How wide a text is for the published rule that cuts sentences: as `spoken_length`, an apostrophe also a half."""
    return len(text) - 0.5 * len(_LATIN_AND_APOSTROPHES.findall(text))
