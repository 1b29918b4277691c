"""Small rules about text that several modules share."""

import unicodedata
from collections.abc import Iterable

from firered.text.units import is_character


def _takes_no_space(character: str) -> bool:
    """Whether nothing is put between this and what is beside it: Han, kana, and the marks of their width."""
    wide = unicodedata.east_asian_width(character) in "WF"
    return is_character(character) or (wide and unicodedata.category(character).startswith("P"))


def join_texts(texts: Iterable[str]) -> str:
    """Texts one after the other, with a space where neither side is Chinese or kana; empty ones are skipped."""
    joined = ""
    for text in filter(None, texts):
        apart = joined and not _takes_no_space(joined[-1]) and not _takes_no_space(text[0])
        joined += (" " if apart else "") + text
    return joined


def join_sentences(sentences: Iterable[str]) -> str:
    """Punctuated texts one after the other, with a space where half-width text meets half-width text."""
    joined = ""
    for text in filter(None, sentences):
        joined += (" " if joined and joined[-1].isascii() and text[0].isascii() else "") + text
    return joined
