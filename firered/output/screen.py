"""Captions on a terminal: what is final stands, what is being spoken is written anew below it."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO

from firered.data.write import one_line
from firered.output.printing import put_out
from firered.output.timed_text import split_for_lines
from firered.results.live import Event, Final, LiveResult, Partial
from firered.text.width import columns

_DIM, _PLAIN, _ERASE = "\x1b[2m", "\x1b[22m", "\x1b[J"  # of ECMA-48, which every terminal knows
_UP = "\x1b[{}A"
_MARGIN = 3  # columns that stay free: a terminal shows ^C where the cursor is
_NARROW = 30  # columns; below that, texts have no time before them
_WAITING = "…"  # while nothing is recognised yet, and where the beginning of a long text is not shown


class Row(NamedTuple):
    """A line on the terminal: its beginning as it is, the rest dim."""

    plain: str
    dim: str

    @property
    def width(self) -> int:
        """In columns."""
        return columns(self.plain) + columns(self.dim)


class Screen:
    """The captions of one stream.

    Args:
        out: the terminal.
        size: its columns and lines, asked for whenever something is written.
    """

    def __init__(self, out: TextIO, size: Callable[[], tuple[int, int]] | None = None) -> None:
        self._out, self._size = out, size or (lambda: _size_of(out))
        self._shown: tuple[float, str, str] | None = None  # start, stable and unstable text of what is being spoken
        self._drawn: list[int] | None = None  # widths of the lines that show it; None: they are not there
        self._lock = threading.RLock()  # messages come from other threads, too

    def give(self, result: LiveResult, clock_s: float = 0.0) -> None:
        """Show what a result changes."""
        with self._lock:
            if isinstance(result, Final):
                self._shown = None
                text = one_line(result.text)
                rows = caption(result.start_s, text, "", self._size()[0]) if text else []
                self._write("".join(f"{row.plain}\n" for row in rows))
            elif isinstance(result, Partial):
                self._shown = result.start_s, result.stable, result.unstable
                self.refresh(anew=True)
            elif isinstance(result, Event) and result.kind == "speech_start":
                self._shown = result.time_s, "", _WAITING
                self.refresh(anew=True)

    def refresh(self, anew: bool = False) -> None:
        """Show what is being spoken, if it is not there, or `anew`."""
        with self._lock:
            if self._shown is None or (self._drawn is not None and not anew):
                return
            width, height = self._size()
            rows = _last(caption(*self._shown, width), height - 1)
            self._write("\n".join(f"{row.plain}{_DIM}{row.dim}{_PLAIN}" if row.dim else row.plain for row in rows))
            self._drawn = [row.width for row in rows]

    def erase(self) -> None:
        """Make room for something else, such as a message; `refresh` brings back what stood there."""
        with self._lock:
            if self._drawn is not None:
                self._write("")

    def close(self) -> None:
        """Leave what is being spoken as it stands, and the cursor below it."""
        with self._lock:
            if self._drawn is not None:
                put_out("\n", self._out)
            self._shown = self._drawn = None

    def _write(self, text: str) -> None:
        """Write in the place of the lines that show what is being spoken."""
        put_out(erasing(self._drawn, self._size()[0]) + text, self._out)
        self._drawn = None


def erasing(drawn: Sequence[int] | None, width: int) -> str:
    """What takes lines of these widths off the terminal, with the cursor at the end of the last one.

    A terminal that has become narrower since shows some of them as several.
    """
    if drawn is None:
        return ""
    rows = sum(max(1, -(-own // max(width, 1))) for own in drawn)
    return "\r" + (_UP.format(rows - 1) if rows > 1 else "") + _ERASE


def caption(start_s: float, stable: str, unstable: str, width: int) -> list[Row]:
    """The lines of a text with its time before it, none as wide as a terminal of so many columns.

    Args:
        start_s: when it begins.
        stable: its beginning that will not change.
        unstable: the rest.
        width: columns of the terminal.
    """
    room = max(width - _MARGIN, 2)
    head = f"{_time(start_s)}  " if width >= _NARROW else ""
    both = one_line(stable + unstable)
    steady = len(one_line(stable))
    rows, at = [], 0
    for number, line in enumerate(_wrapped(both, room - len(head))):
        cut = min(max(steady - at, 0), len(line))
        at += len(line)
        shown = line.rstrip()
        rows.append(Row((" " * len(head) if number else head) + shown[:cut], shown[cut:]))
    return rows


def _wrapped(text: str, room: int) -> list[str]:
    """The whole text in lines of so many columns, which end where a line may, or anywhere if one word is wider."""
    lines, used = [""], 0
    for part in split_for_lines(text):
        if lines[-1] and used + columns(part.rstrip()) > room:
            lines, used = [*lines, ""], 0
        for character in part:
            wide = columns(character)
            if used + wide > room and not character.isspace():
                lines, used = [*lines, ""], 0
            lines[-1] += character
            used += wide
    return lines


def _last(rows: Sequence[Row], count: int) -> list[Row]:
    """At most so many of the last lines; the first shows that there are others."""
    if len(rows) <= count:
        return list(rows)
    first, *others = rows[-max(count, 1) :]
    if first.plain:
        return [Row(_WAITING + first.plain[1:], first.dim), *others]
    return [Row("", _WAITING + first.dim[1:]), *others]


def _time(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    tenths = int(10 * seconds)
    minutes, hours = tenths // 600 % 60, tenths // 36000
    rest = f"{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _size_of(out: TextIO) -> tuple[int, int]:
    try:
        size = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return 80, 24
    return (size.columns or 80), (size.lines or 24)
