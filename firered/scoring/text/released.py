r"""The rule of the published scoring tool (wer.py of FireRedASR2S), the same on every string.

It leaves invisible characters, `# $ % & * @ \ ^ _ ~`, hyphens and the typewriter's apostrophe in words, eats what
stands between two tags, and joins single letters its own way. `firered` is this project's rule, which differs in
what docs/scoring.md lists.
"""

import re

_ASCII_MARKS = '!"()+,./:;=?[]`{|}'
# Of general punctuation dashes, quotation marks, dots; most CJK marks; full-width forms of marks but the full stop and
# the signs of currencies; some of the half-width and small ones.
_OTHER_MARKS = (
    "\u00b7\u2013\u2014\u2018\u2019\u201b-\u201f\u2026\u2027\u3000-\u3003\u3008-\u3011\u3014-\u301f\u3030\u303e\u303f"
    "\ufe4f\ufe51\ufe54\uff01-\uff0d\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff64"
)
_MARKS = re.compile(f"[{re.escape(_ASCII_MARKS)}{_OTHER_MARKS}]+")
_TAGS = re.compile("<.*>")
_CHARACTERS = "\u3040-\u30ff\u31f0-\u31ff\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{_CHARACTERS}]|[^\s{_CHARACTERS}]+")
# A single letter has no letter and no apostrophe beside it; digits and hyphens do not count.
_LONG_RUN = re.compile(r"(?<![A-Za-z'])(?:[A-Za-z] ){5,}[A-Za-z](?![A-Za-z'])")
_GAP = re.compile(r"(?<=[A-Za-z])(?<![A-Za-z'].) (?=[A-Za-z](?![A-Za-z']))")


def as_read(text: str) -> str:
    """A text as the tool takes it from a file: white space of any kind and length is one space."""
    return " ".join(text.split())


def normalise(text: str) -> str:
    """The text without `<unk>`, marks and tags, single letters joined, in upper case."""
    text = _MARKS.sub(" ", text.replace("<unk>", ""))
    text = _TAGS.sub("", text)
    # Marks in a row are one space here, and only one space is a gap: of `A,B` AB is made, not of `A, B`.
    if not _LONG_RUN.search(text):
        text = _GAP.sub("", text)
    return text.upper()


def tokenize(text: str) -> list[str]:
    """Every Han or kana character, and every other stretch between spaces.

    Han are U+4E00 to U+9FFF, so that rarer ones, 々 and 〇 are letters of words; `・` and the voicing marks are
    characters.
    """
    return _TOKEN.findall(text)
