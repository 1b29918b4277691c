"""Segments of many recordings, and calls of live streams, in turns: `Turns`."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from firered.serve.model_calls import ModelCall
from firered.serve.work import JOB, REQUEST, Work
from firered.system.stretches import Stretch

_JOBS_FIRST = 4  # in every so many turns jobs come first, so that requests without end do not keep them waiting
_CALLS_FIRST = 4  # live streams come first, but recordings after so many of their turns
_LIVE_SECONDS = 5.0  # of recordings in a turn while there are live streams, which wait for it


class Piece(NamedTuple):
    """A segment that is to be recognised, and whose it is."""

    work: Work
    number: int
    stretch: Stretch


class Turns:
    """Works whose segments wait; a turn takes one of each until there is enough for a batch, requests before jobs.

    Calls of live streams come before both. Those of one name are a turn together.

    Args:
        seconds: of speech that are enough.
        wait_s: how long a turn waits for that, while more may come.
        coming: whether more may come.

    Attributes:
        streams: live streams that are open.
    """

    def __init__(self, seconds: float, wait_s: float, coming: Callable[[], bool]) -> None:
        self._seconds, self._wait_s, self._coming = seconds, wait_s, coming
        self._changed = threading.Condition()
        self._works: dict[int, deque[Work]] = {REQUEST: deque(), JOB: deque()}
        self._count, self._closed = 0, False
        self._calls: deque[ModelCall] = deque()
        self._called = 0  # turns of calls since the last one of recordings
        self._busy = 0  # live streams that compute or wait for a call
        self.streams = 0

    def add(self, work: Work) -> None:
        """Have a work's segments wait."""
        with self._changed:
            self._works[work.task.rank].append(work)
            self._changed.notify_all()

    def call(self, call: ModelCall) -> None:
        """Have a live stream's call wait."""
        with self._changed:
            if not self._closed:
                self._calls.append(call)
                self._changed.notify_all()
                return
        call.put(None)

    def withdraw(self, call: ModelCall) -> None:
        """Nobody wants it any more; what others wait for goes on."""
        with self._changed:
            if call in self._calls:
                self._calls.remove(call)
        call.put(None)

    def count(self, *, streams: int = 0, busy: int = 0) -> None:
        """So many more live streams are open, or at work."""
        with self._changed:
            self.streams += streams
            self._busy += busy
            if busy < 0:
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
            left, self._calls = self._calls, deque()
        for call in left:
            call.put(None)

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that wait."""
        with self._changed:
            return sum(work.waiting_s for works in self._works.values() for work in works)

    def take(self, number: int = 0) -> list[Piece] | list[ModelCall]:
        """The next turn of a thread; waits for one. None are left once it is closed."""
        with self._changed:
            while not self._closed:
                waiting_s = self.waiting_s
                if (call := self._first(number)) is not None and not (waiting_s and self._called >= _CALLS_FIRST):
                    if calls := self._together(call, number):
                        self._called += 1
                        return calls
                    continue
                if not waiting_s:
                    self._forget()
                    self._changed.wait()
                    continue
                until = time.monotonic() + self._wait_s
                while self.waiting_s < self._enough and self._coming() and not self._calls and not self._closed:
                    if not self._changed.wait(max(0.0, until - time.monotonic())):
                        break
                self._called = 0
                if found := self._turn():
                    return found
            return []

    def _first(self, number: int) -> ModelCall | None:
        """The call whose turn it is for a thread: of those that go ahead, else of all, the one that waits longest."""
        own = [call for call in self._calls if number == 0 or call.name is not None]
        return next((call for call in own if call.ahead), own[0] if own else None)

    def _together(self, first: ModelCall, number: int) -> list[ModelCall]:
        """The calls of a turn: the first that waits and others of its name; a moment is waited for those."""
        until = first.at + self._wait_s
        while len(self._calls) < self._busy and not self._closed and (left_s := until - time.monotonic()) > 0:
            self._changed.wait(left_s)
        call = self._first(number)
        if call is None or self._closed:
            return []
        found, seconds = [call], call.seconds
        for other in [*self._calls] if call.name is not None else []:
            if other is not call and other.name == call.name and seconds + other.seconds <= self._seconds:
                found.append(other)
                seconds += other.seconds
        for one in found:
            self._calls.remove(one)
        return found

    @property
    def _enough(self) -> float:
        """Seconds of speech of recordings that are enough for a turn."""
        return min(self._seconds, _LIVE_SECONDS) if self.streams else self._seconds

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
            while sum(piece.stretch.duration_s for piece in found) < self._enough and (piece := self._next_of(rank)):
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
