"""Small rules about text that several modules share."""

from collections.abc import Iterable


def is_latin(character: str) -> bool:
    """Whether a character is an ASCII letter or digit."""
    return character.isascii() and character.isalnum()


def join_texts(texts: Iterable[str]) -> str:
    """Texts one after the other, with a space where Latin meets Latin; empty ones are skipped."""
    joined = ""
    for text in filter(None, texts):
        joined += (" " if joined and is_latin(joined[-1]) and is_latin(text[0]) else "") + text
    return joined


def join_sentences(sentences: Iterable[str]) -> str:
    """Punctuated texts one after the other, with a space where half-width text meets half-width text."""
    joined = ""
    for text in filter(None, sentences):
        joined += (" " if joined and joined[-1].isascii() and text[0].isascii() else "") + text
    return joined
