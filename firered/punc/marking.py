"""Where marks may stand in a text, and the text with marks there: words stay whole, and every character is kept.

The published code has rules of its own for both (`firered.punc.text`), which `PuncConfig.published` asks for.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from firered.punc.text import bare, half_width
from firered.results import Seconds, Word
from firered.text.joining import is_wide, join_texts
from firered.text.words import MARKS, TextWord, is_connecting, is_single, is_technical, words_of

_SENTENCE_MARKS = ("。", "？", "！")
_LONE_I = re.compile(r"i(?:['’](?:m|d|ve|ll))?")
_LATIN_SMALL = re.compile("[a-zà-öø-ÿ]")


class Stretch(NamedTuple):
    """Words of a text, from number `first` to before `end`, that no mark may separate.

    A mark after them goes to `place`, behind the word that ends at `last` and the signs around it. Where `closed` none
    may be added; `pauses` if there is one of the text's own.
    """

    first: int
    end: int
    last: int
    place: int
    closed: bool
    pauses: bool


class Layout:
    """A text with its words, in stretches between which marks may stand.

    Args:
        text: with single spaces for white space.
        places: where marks may stand, if not after every word.
    """

    def __init__(self, text: str, places: Collection[int] | None = None) -> None:
        self.text = text
        self.words = words_of(text)
        self.stretches: list[Stretch] = []
        first = 0
        for number, word in enumerate(self.words, 1):
            parts = number == len(self.words) or (self._may_part(number) and (places is None or word.end in places))
            if parts:
                self.stretches.append(self._stretch(first, number))
                first = number

    def _may_part(self, number: int) -> bool:
        """Whether a mark may stand, or stands already, between a word and the one of this number after it."""
        word, after = self.words[number - 1], self.words[number]
        if word.marks:
            return True
        if not word.stands or (not after.stands and is_connecting(self.text[after.start])):
            return False
        if word.end > word.last and is_connecting(self.text[word.end - 1]):
            return False
        return word.end < after.start or self._single_before(word) or self._single_after(after)

    def _stretch(self, first: int, end: int) -> Stretch:
        word = next((word for word in reversed(self.words[first:end]) if word.stands), self.words[end - 1])
        closed = bool(word.marks) or not word.stands or self.text[word.last - 1] in MARKS
        return Stretch(first, end, word.last, word.end, closed, bool(word.marks))

    def _single_before(self, word: TextWord) -> bool:
        return word.stands and is_single(self.text, word.last - 1)

    def _single_after(self, word: TextWord) -> bool:
        return is_single(self.text, word.first if word.stands else word.start)

    def marked(self, marks: Sequence[str]) -> list[str]:
        """The text of each stretch, and what is between it and the next one, with its mark where one may be added.

        Args:
            marks: after each stretch, of full width; "" for none.
        """
        marks = ["" if part.closed else mark for part, mark in zip(self.stretches, marks, strict=True)]
        added = {stretch.place: mark for stretch, mark in zip(self.stretches, marks, strict=True)}
        written = list(self.text)
        for place in self._capitals(added):
            written[place] = written[place].upper()
        pieces = []
        for number, stretch in enumerate(self.stretches):
            begin = self.words[stretch.first].start
            end = self.words[stretch.end].start if stretch.end < len(self.words) else len(written)
            mark = marks[number] if self._full_width(stretch) else half_width(marks[number])
            pieces.append("".join([*written[begin : stretch.place], mark, *written[stretch.place : end]]))
        return pieces

    def _full_width(self, stretch: Stretch) -> bool:
        """Whether a mark after a stretch is of full width: beside Han and kana characters."""
        number = next((n for n in reversed(range(stretch.first, stretch.end)) if self.words[n].stands), stretch.first)
        word = self.words[number]
        if self._single_before(word) or is_wide(self.text[stretch.place - 1]):
            return True
        if stretch.end == len(self.words):
            return number > 0 and self._single_before(self.words[number - 1])
        after = self.words[stretch.end]
        return self._single_after(after) and not (number == 0 and word.end < after.start)

    def _capitals(self, added: Mapping[int, str]) -> list[int]:
        """The places of letters that are to be capitals: of sentence starts, and `I`."""
        places = []
        starts = True
        for word in self.words:
            own = self.text[word.first : word.last]
            if _LONE_I.fullmatch(own) or (starts and _may_begin_as_capital(own)):
                places.append(word.first)
            if word.stands or word.marks:
                ends = word.ends_sentence or added.get(word.end) in _SENTENCE_MARKS
                starts = ends and self.text[word.end : word.end + 1].isspace()
        return places


def _may_begin_as_capital(word: str) -> bool:
    return bool(_LATIN_SMALL.match(word)) and word.islower() and not is_technical(word)


class Timed(NamedTuple):
    """A text's layout, and the times of each of its stretches."""

    layout: Layout
    times: list[Seconds]


def timed(words: Sequence[Word], text: str | None = None) -> Timed:
    """The layout of the text of words, in which marks stand between words alone.

    Args:
        words: in order, each with some text.
        text: what they are the words of; theirs one after the other where there is none, or where it has other words.
    """
    found = None if text is None else _spans_in(text, words)
    if text is None or found is None:
        text = join_texts(word.text for word in words)
        found = _spans_of(text, words)
    if not found:
        return Timed(Layout(""), [])
    starts = [*(start for _, start, _ in found[1:]), len(text)]
    places = {place for (*_, end), start in zip(found, starts, strict=True) for place in range(end, start + 1)}
    layout = Layout(text, places)
    ends = [layout.words[stretch.end - 1].end for stretch in layout.stretches]
    own: list[list[Word]] = [[] for _ in ends]
    for word, start, _ in found:
        own[bisect_right(ends, start)].append(word)
    return Timed(layout, [(part[0].start_s, part[-1].end_s) for part in own])


def _spans_of(joined: str, words: Sequence[Word]) -> list[tuple[Word, int, int]]:
    """Each word with its start and end in the text of all."""
    spans = []
    end = 0
    for word in words:
        start = joined.index(word.text, end)
        end = start + len(word.text)
        spans.append((word, start, end))
    return spans


def _spans_in(text: str, words: Sequence[Word]) -> list[tuple[Word, int, int]] | None:
    """Each word with its start and end in a text; None where that has other words, marks and letter case aside."""
    owner = [place for place, character in enumerate(text) for _ in bare(character)]
    letters = bare(text)
    spans = []
    at = 0
    for word in words:
        if own := bare(word.text):
            if not letters.startswith(own, at):
                return None
            spans.append((word, owner[at], owner[at + len(own) - 1] + 1))
            at += len(own)
    return spans if at == len(letters) else None
