"""Where the tokens or words that a text was made of are in it, in whatever way they spell spaces, case and bytes."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from firered.text.timed_words import Span
from firered.text.tokenizer import WORD_START

_BYTE = re.compile("<0x([0-9A-F]{2})>")
_UNKNOWN = b"\xff"  # in no UTF-8 text: bytes that were not a character of their own


def places_of(pieces: Sequence[str], text: str) -> list[Span]:
    """The characters of a text that each piece spells; all but white space is some piece's, if there are any.

    A piece of less than a character has that character, with its neighbours. What the text lacks, as a tag that was
    left out, has an empty place.

    Args:
        pieces: in order; with `▁` or a space for a space, `<0xE4>` or U+FFFD for bytes that are no character.
        text: made of them.
    """
    from rapidfuzz.distance import Levenshtein

    spelt = [_bytes_of(piece) for piece in pieces]
    chars = [(number, char.lower().encode()) for number, char in enumerate(text) if not char.isspace()]
    owner = [number for number, raw in chars for _ in raw]  # the character of each byte
    wanted = b"".join(raw for _, raw in chars)
    moves = Levenshtein.opcodes(b"".join(spelt), wanted)
    starts = [move.src_start for move in moves]
    places: list[Span] = []
    ends = [0, *accumulate(map(len, spelt))]
    for first, end in pairwise(ends):
        own = []
        for at in range(first, end):
            move = moves[bisect_right(starts, at) - 1]
            if move.tag != "delete":
                own.append(owner[move.dest_start + at - move.src_start])
        before = places[-1].end if places else 0
        places.append(Span(own[0], own[-1] + 1) if own else Span(before, before))
    return _without_gaps(places, text)


def _bytes_of(piece: str) -> bytes:
    """The bytes that a piece spells, in lower case and without white space."""
    parts = _BYTE.split(piece.replace(WORD_START, ""))  # text and bytes in turn
    spelt = [_spelt(part) if number % 2 == 0 else bytes.fromhex(part) for number, part in enumerate(parts)]
    return b"".join(spelt)


def _spelt(text: str) -> bytes:
    return b"".join(_UNKNOWN if char == "\ufffd" else char.lower().encode() for char in text if not char.isspace())


def _without_gaps(places: Sequence[Span], text: str) -> list[Span]:
    """The places, with what lies between two of them added to the first, and what lies before them all to that one."""
    closed: list[Span] = []
    following = len(text)
    for place in reversed(places):
        if place.end > place.start:
            if text[place.end : following].strip():
                place = Span(place.start, place.start + len(text[place.start : following].rstrip()))
            following = place.start
        closed.append(place)
    closed.reverse()
    first = next((number for number, place in enumerate(closed) if place.end > place.start), None)
    if first is not None and (before := text[: closed[first].start]).strip():
        closed[first] = Span(len(before) - len(before.lstrip()), closed[first].end)
    return closed
