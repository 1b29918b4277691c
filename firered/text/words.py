"""The words of written text, with the brackets, quotation marks and marks of pauses that stand around each.

A word is what stands between white space: numbers (1,000 or 10:30), addresses, abbreviations (u.s.), don't, e-mail. Han
and kana characters are words of their own, and what stands between them is a word (iphone15). Characters that combine
with the one before them belong to it.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from firered.text.units import is_character

PAUSES = ".．。,，、:：;；?？!！…"  # what punctuation puts between words or speech has a pause for
_OTHER_SCRIPTS = "؟،؛۔।॥჻՝։፡።፣፤፥፧᠂᠃｡､‼⁇⁈⁉‽"
MARKS = PAUSES + _OTHER_SCRIPTS
SENTENCE_ENDS = ".．。?？!！…؟۔।॥։።፧᠃｡‼⁇⁈⁉‽"
_SIGNS = "，。？！、；：…．“”" + _OTHER_SCRIPTS  # never inside a word
_BETWEEN_DIGITS = "：．"  # but these: 10：30

_OPENING, _CLOSING = "([{<'\"‘“«‹¿¡", ")]}>'\"’”»›"
_CONNECTING = "-‐‑‒–—―/·・‧~～&@_=|\\"
_HALF_WIDTH_VOICING = "ﾞﾟ"

# Where words meet without white space (ok,ok or wait...what): a mark beside a letter, or several in a row.
_MEETING = re.compile(r"[?!;,.]{2,}|[?!;]|(?<![0-9]),|,(?![0-9])")
# Paths, mail and web addresses, code: any sign may be part of them.
_TECHNICAL = re.compile(r"[/\\@=&#_|^]|www\.")
_PATH_BEGINS = re.compile(r"(?:\w://|www\.).*[/=?&#]$")  # of an address, in which Han may follow
_ABBREVIATION = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]|dr|mr|mrs|ms|prof|st|vs|jr|sr|etc", re.IGNORECASE)


class TextWord(NamedTuple):
    """A word of a text from `start` to `end`, with what is written around it; the word itself from `first` to `last`.

    `first` is `last` for signs that stand alone. `marks` are those that follow it.
    """

    start: int
    end: int
    first: int
    last: int
    marks: str = ""

    @property
    def stands(self) -> bool:
        """Whether this is a word, and not signs alone."""
        return self.last > self.first

    @property
    def ends_sentence(self) -> bool:
        """Whether one of its marks ends a sentence."""
        return any(mark in SENTENCE_ENDS for mark in self.marks)


class _Token(NamedTuple):
    kind: str  # space, word, opening, closing, mark, connecting or other
    start: int
    end: int


def words_of(text: str) -> list[TextWord]:
    """The words of a text in order; all but white space between them belongs to one."""
    words: list[TextWord] = []
    opened: int | None = None  # where opening signs before the next word begin
    apart = connected = False  # white space, or a connecting sign, since the last word
    for kind, start, end in _tokens(text):
        beside = bool(words) and not apart and opened is None
        if kind == "word" and connected and beside:
            words[-1] = words[-1]._replace(end=end, last=end)
        elif kind in ("word", "other"):
            words.append(TextWord(start if opened is None else opened, end, start, end if kind == "word" else start))
            opened = None
        elif kind == "connecting" and beside:
            words[-1] = words[-1]._replace(end=end)
        elif kind in ("closing", "mark") and words and opened is None:
            added = text[start:end] if kind == "mark" else ""
            words[-1] = words[-1]._replace(end=end, marks=words[-1].marks + added)
        elif kind == "connecting":
            words.append(TextWord(start if opened is None else opened, end, start, start))
            opened = None
        elif kind != "space" and opened is None:
            opened = start
        apart = kind == "space" or (apart and kind in ("opening", "closing", "mark"))
        connected = kind == "connecting"
    if opened is not None:
        end = len(text.rstrip())
        words = [*words[:-1], words[-1]._replace(end=end)] if words else [TextWord(opened, end, opened, opened)]
    return words


def mark_places(text: str) -> list[int]:
    """The places of the marks of pauses and sentence ends; those inside words and of abbreviations are none."""
    return [token.start for token in _tokens(text) if token.kind == "mark" and text[token.start] in PAUSES]


def is_technical(word: str) -> bool:
    """Whether a word is an address, a file name or the like rather than one of a language."""
    return bool(_TECHNICAL.search(word)) or "." in word.strip(".")


def is_single(text: str, at: int) -> bool:
    """Whether the character at this place, or what it combines with, is a word of its own: Han or kana."""
    while at > 0 and _kind(text[at]) == "joined":
        at -= 1
    return is_character(text[at])


def is_connecting(character: str) -> bool:
    """Whether a sign connects what is on both its sides: a dash, a slash, and the like."""
    return character in _CONNECTING


def _tokens(text: str) -> Iterator[_Token]:
    quoted: set[str] = set()  # quotation marks that are open, of those that look alike at both ends
    for kind, start, end in _stretches(text):
        if kind == "run":
            yield from _of_run(text, start, end, quoted)
        elif kind == "sign":
            yield _of_sign(text[start], start, quoted)
        else:
            yield _Token(kind, start, end)


def _stretches(text: str) -> Iterator[_Token]:
    """White space, single characters that are words, signs, and runs of everything else."""
    start, kind = 0, ""
    in_path = False
    for at, character in enumerate(text):
        own = _kind(character)
        joined = own == "joined"
        if joined:
            own = kind if kind in ("word", "run") else "run"
        elif own == "sign" and character in _BETWEEN_DIGITS and _is_between_digits(text, at):
            own = "run"
        elif own == "word" and kind == "run":
            in_path = in_path or bool(_PATH_BEGINS.search(text, start, at))
            own = "run" if in_path else own
        if own == kind and (joined or own in ("space", "run")):
            continue
        if kind:
            yield _Token(kind, start, at)
        start, kind, in_path = at, own, False
    if kind:
        yield _Token(kind, start, len(text))


def _is_between_digits(text: str, at: int) -> bool:
    return text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit()


@functools.lru_cache(maxsize=1 << 14)
def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    if character in _HALF_WIDTH_VOICING or unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf"):
        return "joined"
    if is_character(character):
        return "word"
    if character in _SIGNS or _is_wide_bracket(character):
        return "sign"
    return "run"


def _is_wide_bracket(character: str) -> bool:
    wide = unicodedata.east_asian_width(character) in ("W", "F")
    return wide and unicodedata.category(character) in ("Ps", "Pe", "Pi", "Pf")


def _of_sign(character: str, at: int, quoted: set[str]) -> _Token:
    """What a sign is that stands by itself."""
    if character in "\"'":
        opening = character not in quoted
        (quoted.add if opening else quoted.discard)(character)
        return _Token("opening" if opening else "closing", at, at + 1)
    category = unicodedata.category(character)
    if character in MARKS:
        kind = "mark"
    elif character in _OPENING or category in ("Ps", "Pi"):
        kind = "opening"
    elif character in _CLOSING or category in ("Pe", "Pf"):
        kind = "closing"
    else:
        kind = "connecting" if character in _CONNECTING else "other"
    return _Token(kind, at, at + 1)


def _of_run(text: str, start: int, end: int, quoted: set[str]) -> Iterator[_Token]:
    """The words of a run of characters without white space, and the signs around them."""
    first, last = start, end
    while first < end and _is_before(text, first, end):
        first += 1
    while last > first and text[last - 1] in _CLOSING + MARKS:
        last -= 1
    if not any(map(str.isalnum, text[first:last])):
        yield from _of_signs(text, start, end, quoted)
        return
    for at in range(start, first):
        yield _of_sign(text[at], at, quoted)
    for own, meeting in _meeting_words(text, first, last):
        if text[own.end : own.end + 1] == "." and _ABBREVIATION.fullmatch(text, own.start, own.end):
            own, meeting = own._replace(end=own.end + 1), range(meeting.start + 1, meeting.stop)
            last = max(last, own.end)
        yield own
        for at in meeting:
            yield _of_sign(text[at], at, quoted)
    for at in range(last, end):
        yield _of_sign(text[at], at, quoted)


def _is_before(text: str, at: int, end: int) -> bool:
    """Whether a sign stands before a word instead of belonging to it, as the point of .net does."""
    if text[at] == "." and at + 1 < end and text[at + 1].isalnum():
        return False
    return text[at] in _OPENING + MARKS


def _meeting_words(text: str, first: int, last: int) -> Iterator[tuple[_Token, range]]:
    """The words of a run, and the places of the marks after each where another follows."""
    if not _TECHNICAL.search(text, first, last):
        for found in _MEETING.finditer(text, first, last):
            if found.start() > first:
                yield _Token("word", first, found.start()), range(found.start(), found.end())
                first = found.end()
    yield _Token("word", first, last), range(last, last)


def _of_signs(text: str, start: int, end: int, quoted: set[str]) -> Iterator[_Token]:
    """Signs without a word; those that are none of writing, such as the parts of an emoji, are one."""
    other: int | None = None
    for at in range(start, end):
        token = _of_sign(text[at], at, quoted)
        if token.kind == "other":
            other = at if other is None else other
            continue
        if other is not None:
            yield _Token("other", other, at)
            other = None
        yield token
    if other is not None:
        yield _Token("other", other, end)
