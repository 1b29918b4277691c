"""One recording on its way through the engine: `Task`, what is to be done, and `Work`, how far it is."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np

from firered.errors import FireRedError, Outcome
from firered.results import Seconds
from firered.runtime.context import Context
from firered.serve.heard import Heard, heard_of
from firered.system.assemble import Segment
from firered.system.recording import Recording
from firered.system.stretches import Stretch
from firered.vad.config import VadConfig

REQUEST, JOB = range(2)  # which come first


class TooLong(FireRedError):
    """A recording of more audio than is taken."""


@dataclass(frozen=True)
class Task:
    """A recording that is to be recognised.

    Attributes:
        audio: its file; or, for a test, samples at 16 kHz, all of which are one segment.
        context: what the recogniser is given with each segment.
        vad: options of the voice detector, if others than the system's.
        rank: `REQUEST` or `JOB`.
        longest_s: more audio is an error.
        known: segments that were recognised before, by their span.
    """

    audio: Path | np.ndarray
    context: Context = field(default_factory=Context)
    vad: VadConfig | None = None
    rank: int = REQUEST
    longest_s: float = float("inf")
    known: Mapping[Seconds, Segment] = field(default_factory=dict)

    @property
    def is_test(self) -> bool:
        """Whether nobody but the server itself wants it."""
        return isinstance(self.audio, np.ndarray)


class Listener(Protocol):
    """Who is told of a work's progress, by the engine's threads, in order; nothing after `finished` or a cancel."""

    def opened(self, recording: Recording) -> None:
        """It was read, and its segments are known."""

    def recognised(self, number: int, segment: Segment) -> None:
        """Its next segment is done."""

    def finished(self, outcome: Outcome[Heard]) -> None:
        """It is done, or has failed."""


class Work:
    """A task, how far it is, and who is told.

    Args:
        task: what is to be done.
        listener: who is told.
        done: called once, when it is over in any way and its files are gone.
    """

    def __init__(self, task: Task, listener: Listener, done: Callable[["Work"], None]) -> None:
        self.task = task
        self._listener, self._done = listener, done
        self._lock = threading.RLock()
        self._recording: Recording | None = None
        self._found: list[Segment | None] = []
        self._left_s: list[float] = []  # seconds of speech that wait from each segment on
        self._next = self._told = self._out = 0
        self._over = self._closed = False

    @property
    def over(self) -> bool:
        """Whether it has ended: done, failed or cancelled."""
        return self._over

    def opened(self, recording: Recording) -> bool:
        """Whether there are segments to recognise, now that it was read."""
        with self._lock:
            self._recording = recording
            if self._over:
                self._close()
                return False
            known = self.task.known
            self._found = [known.get(stretch.span) for stretch in recording.segments]
            lengths = [
                0.0 if found else one.duration_s for found, one in zip(self._found, recording.segments, strict=True)
            ]
            self._left_s = [*accumulate(reversed([*lengths, 0.0]))][::-1]
            self._listener.opened(recording)
            self._tell()
            return not self._over

    def next(self) -> tuple[int, Stretch] | None:
        """The next segment that nobody works on, with its number; None where there is none."""
        with self._lock:
            number = self._waiting()
            if number is None or self._recording is None:
                return None
            self._next, self._out = number + 1, self._out + 1
            return number, self._recording.segments[number]

    @property
    def waiting_s(self) -> float:
        """Seconds of speech that nobody works on yet."""
        with self._lock:
            return 0.0 if self._over or not self._left_s else self._left_s[self._next]

    def _waiting(self) -> int | None:
        if self._over:
            return None
        return next((n for n in range(self._next, len(self._found)) if self._found[n] is None), None)

    def put(self, number: int, outcome: Outcome[Segment]) -> None:
        """Take in what was made of a segment."""
        with self._lock:
            self._out -= 1
            if self._over:
                self._close()
            elif isinstance(outcome, Exception):
                self._finish(outcome)
            else:
                self._found[number] = outcome
                self._tell()

    def fail(self, error: Exception) -> None:
        """It cannot go on."""
        with self._lock:
            if not self._over:
                self._finish(error)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        with self._lock:
            self._over = True
            self._close()

    def _tell(self) -> None:
        """Tell of the segments that are done, as far as those before them are, and of the end."""
        while self._told < len(self._found) and (segment := self._found[self._told]) is not None:
            self._listener.recognised(self._told, segment)
            self._told += 1
        if self._told == len(self._found) and self._recording is not None:
            self._finish(heard_of(self._recording, [segment for segment in self._found if segment is not None]))

    def _finish(self, outcome: Outcome[Heard]) -> None:
        self._over = True
        self._listener.finished(outcome)
        self._close()

    def _close(self) -> None:
        """Remove its files, once no batch needs them."""
        if self._out or self._closed:
            return
        if self._recording is not None:
            self._recording.close()
        self._closed = True
        self._done(self)
