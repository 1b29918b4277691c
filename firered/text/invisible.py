"""What a text holds that is not seen: zero-width characters, direction marks, soft hyphens, other forms of one letter.

The one list of them. Texts are compared without them, since nobody hears or sees the difference, and editors, web pages
and systems put them in as they please.

ZERO WIDTH NON-JOINER and JOINER are on the list though they matter in some scripts: the first divides the parts of a
word in Persian, both choose the form of a conjunct in scripts of India. They are written by habit and keyboard rather
than by sound, and no recogniser can hear them. Two words that differ in nothing else then count as the same.
"""

import re
import unicodedata
from collections import Counter

# Of Unicode's category Cf (format) all that is not seen: not the signs that stand under a number (U+0600 to U+0605,
# U+06DD, U+070F, U+0890, U+0891, U+08E2, U+110BD, U+110CD).
_FORMAT = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
# Marks and letters without a form: grapheme joiner, Hangul fillers, inherent vowels of Khmer, variation selectors (of
# Mongolian, of emoji and Han), tags; and what Unicode reserves for more of the kind.
_WITHOUT_FORM = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
)
# Control characters but those that are white space.
_CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_INVISIBLE = re.compile(f"[{_FORMAT}{_WITHOUT_FORM}{_CONTROL}]")


def visible(text: str) -> str:
    """The text without what is not seen: every letter in its composed form (NFC), white space one space each."""
    if not text.isascii() or not text.isprintable():
        # First the characters: one between a letter and its accent would keep them from being composed.
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return " ".join(text.split())


def invisible_in(text: str) -> Counter[str]:
    """How often which character is not seen, by its number and name."""
    return Counter(_named(character) for character in _INVISIBLE.findall(text))


def is_composed(text: str) -> bool:
    """Whether every letter is in its composed form (NFC)."""
    return unicodedata.is_normalized("NFC", text)


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '(control)')}"
