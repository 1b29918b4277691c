"""Where a phrase stands in a text, whatever its case, width and spaces: `occurrences`."""

import re
import unicodedata
from functools import lru_cache

_LETTER = re.compile("[a-z0-9à-ɏ]")  # of words with spaces between them


def occurrences(phrase: str, text: str) -> list[tuple[int, int]]:
    """The places [start, end) of a phrase in a text, in characters, from left to right, without overlaps.

    Words in letters are found whole: `pan` is not in `panda`. Case and the width of letters and digits make no
    difference, nor does the amount of white space.
    """
    phrase, text = plain(phrase), plain(text)
    words = phrase.split()
    if not words or not all(word in text for word in words):  # mostly so, and a pattern takes long to make
        return []
    return [found.span() for found in _pattern(phrase).finditer(text)]


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether characters [start, end) of a plain text neither begin nor end inside a word in letters."""
    cuts = (place for place in (start, end) if 0 < place < len(text))
    return not any(_LETTER.match(text[place - 1]) and _LETTER.match(text[place]) for place in cuts)


@lru_cache(maxsize=1 << 12)
def plain(text: str) -> str:
    """The text in lower case and half width, as long as before."""
    return "".join(_plain_character(character) for character in text)


@lru_cache(maxsize=1 << 16)
def _plain_character(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character).lower()
    return plain if len(plain) == 1 else character


@lru_cache(maxsize=1 << 12)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, phrase.split()))
    return re.compile(_bounded(phrase.strip()[0], r"(?<!{})") + words + _bounded(phrase.strip()[-1], r"(?!{})"))


def _bounded(character: str, rule: str) -> str:
    """What must not stand beside a phrase that begins or ends with this character, if it is of a word with spaces."""
    return rule.format(_LETTER.pattern) if _LETTER.match(character) else ""
