"""Sorting more lines than memory holds: sorted pieces on disk, merged."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from firered.data.lines import read_lines
from firered.errors import writing

_AT_ONCE = 200_000  # lines in memory
_SEPARATOR = "\t"


class SortedLines:
    """Lines by their first field, in the order of its bytes; a context whose files on disk end with it.

    Args:
        folder: for these files; it has to be the context's own.
        at_once: lines that are sorted in memory.
    """

    def __init__(self, folder: Path, at_once: int = _AT_ONCE) -> None:
        self._folder, self._at_once = folder, at_once
        self._lines: list[tuple[str, ...]] = []
        self._pieces: list[Path] = []

    def __enter__(self) -> "SortedLines":
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.iterdir():  # of a run that was killed
                left.unlink()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for piece in self._pieces:
            piece.unlink(missing_ok=True)
        self._folder.rmdir()

    def add(self, *fields: str) -> None:
        """Take a line; no field has a tab or a line end."""
        self._lines.append(fields)
        if len(self._lines) >= self._at_once:
            self._spill()

    def _spill(self) -> None:
        piece = self._folder / f"{len(self._pieces):06d}"
        with writing(piece), piece.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(_SEPARATOR.join(fields) + "\n" for fields in sorted(self._lines))
        self._pieces.append(piece)
        self._lines = []

    def merged(self) -> Iterator[list[str]]:
        """The fields of all lines, sorted; code points are in the order of their UTF-8 bytes."""
        self._lines.sort()
        with ExitStack() as stack:
            pieces: list[Iterable[list[str]]] = [
                _fields(stack.enter_context(p.open(encoding="utf-8"))) for p in self._pieces
            ]
            yield from heapq.merge(*pieces, ([*fields] for fields in self._lines))


def _fields(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        yield line.rstrip("\n").split(_SEPARATOR)


def sorted_table(path: Path, into: SortedLines) -> Iterator[tuple[str, str]]:
    """Key and rest of the lines of a Kaldi table of any length and order, sorted by key.

    Raises:
        DataError: it cannot be read.
    """
    for _, line in read_lines(path):
        key, _, rest = line.strip().replace(_SEPARATOR, " ").partition(" ")
        if key:
            into.add(key, rest.strip())
    for key, rest in into.merged():
        yield key, rest
