"""Punctuated text aligned with its word times, and text cut where a line may end."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import count, pairwise
from operator import attrgetter
from typing import NamedTuple

from firered.output.published import milliseconds
from firered.results import Sentence, Transcript, Word
from firered.text.width import columns

_OPENING = ("Ps", "Pi", "Sc")  # brackets, quotes and currency signs that belong to what follows

Span = tuple[int, int]  # [start, end) in a text


class Piece(NamedTuple):
    """A piece of text with its time in milliseconds, the unit of the files."""

    start_ms: int
    end_ms: int
    text: str


def piece_of(result: Sentence | Word) -> Piece:
    """The text and time of a sentence or word."""
    return Piece(milliseconds(result.start_s), milliseconds(result.end_s), result.text)


def timed_pieces(transcript: Transcript) -> list[list[Piece]]:
    """For each sentence its text in pieces, one a word with the marks around it, at the word's time.

    The pieces of a sentence, joined, are its text; a sentence without words has none. Words may differ from the
    text in marks and letter case.
    """
    words = sorted(map(piece_of, transcript.words), key=attrgetter("start_ms"))
    starts = [word.start_ms for word in words]
    found, taken = [], 0
    for sentence in map(piece_of, transcript.sentences):
        first = max(taken, bisect_left(starts, sentence.start_ms))
        near = words[first : bisect_right(starts, sentence.end_ms)]
        spans = _places(sentence.text, near)
        taken = first + max(spans, default=-1) + 1
        texts = split_around(sentence.text, list(spans.values())) if spans else []
        found.append(_in_order(sentence, texts, [near[number] for number in spans]))
    return found


def _places(text: str, words: Sequence[Piece]) -> dict[int, Span]:
    """Where in the text each word is that can be found there, by the word's number."""
    letters = [(place, c.casefold()) for place, c in enumerate(text) if c.isalnum()]
    in_order = [(number, c.casefold()) for number, word in enumerate(words) for c in word.text if c.isalnum()]
    places: dict[int, Span] = {}
    for in_text, in_words in _matches([c for _, c in letters], [c for _, c in in_order]):
        place, number = letters[in_text][0], in_order[in_words][0]
        places[number] = (places.get(number, (place,))[0], place + 1)
    return places


def _matches(text: list[str], other: list[str]) -> Iterator[tuple[int, int]]:
    """Places of equal letters in both, in order."""
    # Mostly one of them is a prefix of the other, and the matcher is slow on long texts.
    same = next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    yield from zip(range(same), range(same), strict=True)
    for first, second, length in SequenceMatcher(None, text[same:], other[same:], autojunk=False).get_matching_blocks():
        yield from zip(range(same + first, same + first + length), count(same + second), strict=False)


def _in_order(sentence: Piece, texts: Sequence[str], words: Sequence[Piece]) -> list[Piece]:
    """Pieces at the times of their words, within the sentence and none before the one it follows."""
    pieces: list[Piece] = []
    at = sentence.start_ms
    for text, word in zip(texts, words, strict=True):
        start = min(max(word.start_ms, at), sentence.end_ms)
        at = min(max(word.end_ms, start), sentence.end_ms)
        pieces.append(Piece(start, at, text))
    return pieces


def split_around(text: str, spans: Sequence[Span]) -> list[str]:
    """The whole text in one part per span; characters between two spans go to the one they belong to."""
    cuts = [_cut(text, before[1], after[0]) for before, after in pairwise(spans)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _cut(text: str, start: int, end: int) -> int:
    """Where between two words a text is cut: before what opens the second, else behind the last white space."""
    cut = end
    for place in range(start, end):
        if unicodedata.category(text[place]) in _OPENING:
            return place
        if text[place].isspace():
            cut = place + 1
    return cut


def split_for_lines(text: str) -> list[str]:
    """The whole text in parts between which a line may end: at white space and on both sides of wide characters."""
    return split_around(text, _unbroken(text))


def _unbroken(text: str) -> list[Span]:
    """Stretches that no line end may divide: single wide letters, and runs of narrow characters from a letter on."""
    spans: list[Span] = []
    in_run = False
    for place, character in enumerate(text):
        narrow = columns(character) < 2 and not character.isspace()
        if in_run and narrow:
            spans[-1] = (spans[-1][0], place + 1)
        elif character.isalnum():
            spans.append((place, place + 1))
        in_run = narrow and (in_run or character.isalnum())
    return spans
