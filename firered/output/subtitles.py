"""Subtitles of a transcript: its sentences cut and wrapped so that each can be read at a glance."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import NamedTuple

from firered.data.write import in_turn, one_line
from firered.output.config import SubtitleConfig
from firered.output.timed_text import Piece, piece_of, split_for_lines, timed_pieces
from firered.results import Transcript
from firered.text.width import columns

SHORTEST_MS = 40  # a frame of 25 a second: players never show what is shorter
_MARKS = tuple("，。？！、；：…,.?!;:")
_MARK_COUNTS = 0.5  # how far from an even share, as a fraction of it, a cut may move to a mark
_PAUSE_COUNTS_S = 0.5  # and to a pause; longer pauses weigh no more


class Cue(NamedTuple):
    """One subtitle: when it is shown, and its lines."""

    start_ms: int
    end_ms: int
    lines: list[str]


def cues(transcript: Transcript, config: SubtitleConfig) -> list[Cue]:
    """Subtitles in order of time, none empty, none overlapping the next.

    A sentence is one subtitle where it fits the lines and the time. Else it is cut: at word times where there are words
    and in proportion to its text where there are none, at marks and pauses where these are not far from the middle.
    What cannot be cut, such as a long "Ah.", disappears after the longest time.
    """
    limit_ms = 1000 * config.max_cue_seconds or math.inf
    found = []
    for sentence, pieces in zip(map(piece_of, transcript.sentences), timed_pieces(transcript), strict=True):
        if not one_line(sentence.text):
            continue
        for part in _cut_to_fit(_parts(sentence, pieces, config.max_line_width), config, limit_ms):
            start = part[0].start_ms
            if lines := _lines(part, config.max_line_width):
                found.append((start, int(min(part[-1].end_ms, start + limit_ms)), lines))
    return [Cue(*cue) for cue in in_turn(found, SHORTEST_MS)]


def _parts(sentence: Piece, pieces: Sequence[Piece], width: int) -> list[Piece]:
    """A sentence in timed parts between which a line may end; the first and last reach to the sentence's ends."""
    characters = (character for piece in pieces or [sentence] for character in _by_character(piece))
    parts = []
    for text in (part for unbroken in split_for_lines(sentence.text) for part in _at_most(unbroken, width)):
        own = list(islice(characters, len(text)))
        parts.append(Piece(own[0].start_ms, own[-1].end_ms, text))
    parts[0] = parts[0]._replace(start_ms=sentence.start_ms)
    parts[-1] = parts[-1]._replace(end_ms=sentence.end_ms)
    return parts


def _by_character(piece: Piece) -> Iterator[Piece]:
    """A piece's characters, each with as much of its time as it has of its columns."""
    total, passed, start = max(columns(piece.text), 1), 0, piece.start_ms
    for character in piece.text:
        passed += columns(character)
        end = piece.start_ms + (piece.end_ms - piece.start_ms) * passed // total
        yield Piece(start, end, character)
        start = end


def _at_most(text: str, width: int) -> list[str]:
    """A text without a place for a line's end, cut hard where it is wider than a line."""
    if not width or columns(text.strip()) <= width:
        return [text]
    parts = [""]
    for character in text:
        if columns(parts[-1] + character) > width:
            parts.append("")
        parts[-1] += character
    return parts


def _cut_to_fit(parts: list[Piece], config: SubtitleConfig, limit_ms: float) -> Iterator[list[Piece]]:
    """Parts halved until each half fits a subtitle."""
    short = parts[-1].end_ms - parts[0].start_ms <= limit_ms
    if len(parts) == 1 or (short and len(_wrap(parts, config.max_line_width)) <= config.max_line_count):
        yield parts
        return
    middle = _best_cut(parts, range(1, len(parts)), 2)
    yield from _cut_to_fit(parts[:middle], config, limit_ms)
    yield from _cut_to_fit(parts[middle:], config, limit_ms)


def _best_cut(parts: Sequence[Piece], places: Iterable[int], shares: int) -> int:
    """The best of several places to cut at: its first piece is closest to one of so many equal shares."""
    widths = list(accumulate(columns(part.text) for part in parts))

    def cost(place: int) -> float:
        before, after = parts[place - 1], parts[place]
        mark = _MARK_COUNTS if before.text.rstrip().endswith(_MARKS) else 0
        pause = min((after.start_ms - before.end_ms) / 1000, _PAUSE_COUNTS_S)
        return abs(shares * widths[place - 1] / max(widths[-1], 1) - 1) - mark - pause

    return min(places, key=cost)


def _lines(parts: Sequence[Piece], width: int) -> list[str]:
    """The text in no more lines than the width asks for, ending at marks or of about the same length."""
    filled = _wrap(parts, width)
    if len(filled) > 1:
        places = [n for n in range(1, len(filled[0]) + 1) if len(_wrap(parts[n:], width)) < len(filled)]
        first = _best_cut(parts, places, len(filled))
        return _lines(parts[:first], width) + _lines(parts[first:], width)
    text = one_line("".join(part.text for part in parts))
    return [text] if text else []


def _wrap(parts: Iterable[Piece], width: int) -> list[list[Piece]]:
    """The parts of lines filled one after the other."""
    lines: list[list[Piece]] = [[]]
    used = 0
    for part in parts:
        if width and lines[-1] and used + columns(part.text.rstrip()) > width:
            lines.append([])
            used = 0
        lines[-1].append(part)
        used += columns(part.text)
    return lines
