"""Segments of many recordings in turns: `Turns`."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from firered.serve.work import JOB, REQUEST, Work
from firered.system.stretches import Stretch

_JOBS_FIRST = 4  # in every so many turns jobs come first, so that requests without end do not keep them waiting


class Piece(NamedTuple):
    """A segment that is to be recognised, and whose it is."""

    work: Work
    number: int
    stretch: Stretch


class Turns:
    """Works whose segments wait; a turn takes one of each until there is enough for a batch, requests before jobs.

    Args:
        seconds: of speech that are enough.
        wait_s: how long a turn waits for that, while more may come.
        coming: whether more may come.
    """

    def __init__(self, seconds: float, wait_s: float, coming: Callable[[], bool]) -> None:
        self._seconds, self._wait_s, self._coming = seconds, wait_s, coming
        self._changed = threading.Condition()
        self._works: dict[int, deque[Work]] = {REQUEST: deque(), JOB: deque()}
        self._count, self._closed = 0, False

    def add(self, work: Work) -> None:
        """Have a work's segments wait."""
        with self._changed:
            self._works[work.task.rank].append(work)
            self._changed.notify_all()

    def look(self) -> None:
        """Have those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """There are no more turns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that wait."""
        with self._changed:
            return sum(work.waiting_s for works in self._works.values() for work in works)

    def take(self) -> list[Piece]:
        """The next turn; waits for one. None are left once it is closed."""
        with self._changed:
            while not self._closed:
                if not self.waiting_s:
                    self._forget()
                    self._changed.wait()
                    continue
                until = time.monotonic() + self._wait_s
                while self.waiting_s < self._seconds and self._coming() and not self._closed:
                    if not self._changed.wait(max(0.0, until - time.monotonic())):
                        break
                if found := self._turn():
                    return found
            return []

    def _forget(self) -> None:
        """Keep nothing of works that were cancelled."""
        for rank, works in self._works.items():
            self._works[rank] = deque(work for work in works if not work.over)

    def _turn(self) -> list[Piece]:
        self._count += 1
        found: list[Piece] = []
        if self._count % _JOBS_FIRST == 0 and (first := self._next_of(JOB)):
            found.append(first)
        for rank in (REQUEST, JOB):
            while sum(piece.stretch.duration_s for piece in found) < self._seconds and (piece := self._next_of(rank)):
                found.append(piece)
        return found

    def _next_of(self, rank: int) -> Piece | None:
        """The next segment of the work whose turn it is; works that have none left are gone."""
        works = self._works[rank]
        while works:
            work = works.popleft()
            if (found := work.next()) is not None:
                works.append(work)
                return Piece(work, *found)
        return None
