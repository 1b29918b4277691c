"""The SpeechIO leaderboard's rule for Chinese, from its description; the lists beside it are this project's own."""

import re
import unicodedata

from firered.scoring.resources import lines_of
from firered.scoring.text.numerals import spoken_numbers
from firered.text.units import TAG

NOTE = (
    "speechio is written from a description of the leaderboard's rule, not from its code: figures may differ from the "
    "leaderboard's where texts have 儿 (its list of words is another), tags, times, dates with dashes, ranges, signs, "
    "currencies before the amount, commas between thousands, leading zeros, a lone 2 before a measure word, or marks "
    "that its list lacks"
)

_HALF_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(94)} | {0x3000: 0x20}
_FILLERS = str.maketrans("", "", "呃啊")
_ER = "儿"
# A word of the list keeps its 儿; any other 儿 is a suffix that some speakers add and some do not.
_ER_WORDS = re.compile("|".join(sorted(lines_of("er_words.txt"), key=len, reverse=True)) + f"|({_ER})")


class _MarksToSpace(dict):
    """A table for str.translate that finds out what is a mark or a symbol when it first meets it."""

    def __missing__(self, code: int) -> int:
        self[code] = 0x20 if unicodedata.category(chr(code))[0] in "PS" else code
        return self[code]


_MARKS = _MarksToSpace()


def normalise(text: str) -> str:
    """The text in half width and upper case, without tags, fillers, suffixes 儿 and marks, its numbers in words."""
    text = TAG.sub("", text).translate(_HALF_WIDTH).upper().translate(_FILLERS)
    if _ER in text:
        text = _ER_WORDS.sub(lambda found: "" if found[1] else found[0], text)
    return spoken_numbers(text).translate(_MARKS)
