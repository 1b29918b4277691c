"""Small rules about text that several modules share."""

import unicodedata
from collections.abc import Iterable


def is_latin(character: str) -> bool:
    """Whether a character is an ASCII letter or digit."""
    return character.isascii() and character.isalnum()


def join_texts(texts: Iterable[str]) -> str:
    """Texts one after the other, with a space between them but next to Chinese and Japanese; empty ones are skipped."""
    joined = ""
    for text in filter(None, texts):
        joined += (" " if joined and not (is_wide(joined[-1]) or is_wide(text[0])) else "") + text
    return joined


def is_wide(character: str) -> bool:
    """Whether a character is written without a space beside it: of Chinese and Japanese, their marks included."""
    if unicodedata.east_asian_width(character) not in ("W", "F", "H") or unicodedata.category(character) == "So":
        return False
    return not unicodedata.name(character, "").startswith(("HANGUL", "HALFWIDTH HANGUL"))
