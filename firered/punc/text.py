"""Text from pieces and tags: marks inserted, sentences cut, capitals and half-width marks (no model in here)."""

import re
from collections.abc import Sequence

import numpy as np

from firered.punc.tokens import Piece
from firered.text.joining import is_wide
from firered.text.words import mark_places

FULL_WIDTH, HALF_WIDTH = "，。？！", ",.?!"
_TO_HALF_WIDTH = dict(zip(FULL_WIDTH, HALF_WIDTH, strict=True))
_NEITHER_MARK_NOR_SPACE = re.compile(rf"[^{FULL_WIDTH}{HALF_WIDTH}\s]+")

_LETTER = "[a-zß-öø-ſ\u0300-\u036f]"  # Latin, lower-case, or an accent on it
_WORD = f"{_LETTER}+(?:'{_LETTER}+)*"
_MARK_IN_LATIN = re.compile(f"(?<={_LETTER})[{FULL_WIDTH}](?={_LETTER})")
_MARK_AFTER_FIRST_WORD = re.compile(f"^({_WORD})([{FULL_WIDTH}])")
_MARK_AFTER_LAST_WORD = re.compile(f"(?<= )({_WORD})([{FULL_WIDTH}])$")
_LONE_I = re.compile(r"(?<![\w'-])i(?=$|[^\w'-]|'(?:m|d|ve|ll)(?![\w'-]))")
_SENTENCE_START = re.compile("(?:^|(?<=[.!?。？！] ))[a-zà-öø-ÿ]")


def build_text(pieces: Sequence[Piece], marks: Sequence[str]) -> str:
    """The text of pieces with the mark that follows each ("" for none), before the final rules."""
    parts: list[str] = []
    after_latin = False
    for piece, mark in zip(pieces, marks, strict=True):
        if piece.latin and after_latin and not piece.continues:
            parts.append(" ")
        parts += (piece.text, mark)
        after_latin = piece.latin and not mark
    return "".join(parts)


def rule_fix(text: str) -> str:
    """The text in lower case but for sentence starts and `I`, with half-width marks where they follow Latin words."""
    text = text.strip().lower()
    text = _MARK_IN_LATIN.sub(lambda found: _TO_HALF_WIDTH[found[0]] + " ", text)
    text = _MARK_AFTER_FIRST_WORD.sub(lambda found: f"{found[1]}{_TO_HALF_WIDTH[found[2]]} ", text)
    text = _MARK_AFTER_LAST_WORD.sub(lambda found: found[1] + _TO_HALF_WIDTH[found[2]], text)
    text = _LONE_I.sub("I", text.strip())
    return _SENTENCE_START.sub(lambda found: found[0].upper(), text)


def sentence_ends(probs: np.ndarray, widths: Sequence[float], longest: float) -> dict[int, int]:
    """Where sentences end: {number of their last word: tag of the mark after it}, the last word always among them.

    Args:
        probs: (W, tags) probabilities of the tags after each word; tag 0 is no mark.
        widths: of the words, see `firered.text.width.sentence_width`.
        longest: sentences are cut where a mark is likeliest before they get wider than this; 0 or less: they end where
            a mark is likelier than none.
    """
    last = len(probs) - 1
    if longest <= 0:
        return {word: int(tag) for word, tag in enumerate(probs.argmax(1)) if tag or word == last}
    marks = 1 + probs[:, 1:].argmax(1)
    ends: dict[int, int] = {}
    first = word = 0
    wide = 0.0
    while word <= last:
        wide += widths[word]
        likely = probs[word, marks[word]] >= probs[word, 0]
        if not likely and wide > longest and word > first:
            word = first + int(probs[first:word, 0].argmin())
        elif not likely and word < last:
            word += 1
            continue
        ends[word] = int(marks[word])
        first = word = word + 1
        wide = 0.0
    return ends


def half_width(mark: str) -> str:
    """The mark as it is written after Latin words."""
    return _TO_HALF_WIDTH.get(mark, mark)


def strip_marks(text: str) -> str:
    """The text with a space for every mark at the end of a word; those inside (3.14, firered.ai, u.s.) stay."""
    places = set(mark_places(text))
    return "".join(" " if place in places else character for place, character in enumerate(text))


def without_marks(text: str) -> str:
    """The text without the marks at the ends of its words; spaces only where there were some, or Latin words met."""
    kept = ""
    at = 0
    for place in [*mark_places(text), len(text)]:
        part = text[at:place]
        kept += (" " if kept and part and _words_meet(kept[-1], part[0]) else "") + part
        at = place + 1
    return kept


def _words_meet(before: str, after: str) -> bool:
    return before.isalnum() and after.isalnum() and not (is_wide(before) or is_wide(after))


def bare(text: str) -> str:
    """What punctuation leaves as it is: the text without marks and white space, letter case aside."""
    return "".join(_NEITHER_MARK_NOR_SPACE.findall(text)).casefold()
