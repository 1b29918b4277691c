"""Text as the symbols that phrases are compared in, the same however a model's tokens cut it: `spell`.

A symbol is a byte of lower-case UTF-8, or one of two marks for the ends of a word. So a phrase is found in what a model
writes by any of its tokens, byte pieces included, and `pan` is not found in `panda`.
"""

import re
import unicodedata

START, END = "\x01", "\x02"  # of a word in letters that are written with spaces between words

_WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz'") | frozenset(range(0xC3, 0xE0))  # first bytes
_INSIDE = range(0x80, 0xC0)  # further bytes of a character: they are what its first byte is


def spell(text: str | bytes, in_word: bool = False) -> tuple[str, bool]:
    """The symbols of a stretch of text, and whether it ends within a word, whose end is then still to come.

    Args:
        text: a text, or bytes of one that may begin or end within a character.
        in_word: whether the text before it ends within a word.
    """
    data = _plain(text if isinstance(text, str) else text.decode("utf-8", "surrogateescape"))
    symbols: list[str] = []
    for byte in data:
        if byte in _INSIDE:
            symbols.append(chr(byte))
            continue
        if (byte in _WORD) != in_word:
            in_word = not in_word
            symbols.append(START if in_word else END)
        if byte != 0x20:
            symbols.append(chr(byte))
    return "".join(symbols), in_word


def spell_phrase(text: str) -> str:
    """The symbols of a whole phrase, with the end of its last word."""
    symbols, in_word = spell(text)
    return symbols + END if in_word else symbols


def _plain(text: str) -> bytes:
    """UTF-8 in lower case and in half width, with spaces for white space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return re.sub(r"\s", " ", text.lower()).encode("utf-8", "surrogateescape")
