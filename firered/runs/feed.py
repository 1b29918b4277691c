"""A session of live recognition that is fed, with the time at which each of its results is given out: `Feed`."""

import time
from collections.abc import Callable, Iterator

from firered.audio.arriving import Piece
from firered.live.session import LiveSession
from firered.results.live import Event, Final, LiveResult

Timed = tuple[LiveResult, float]  # a result, and the seconds on the clock since the stream's first sample


class Feed:
    """Gives a session its audio.

    Args:
        session: of the stream.
        clock: seconds since the stream's first sample; None: as if the audio came at its own pace, so that what takes
            time is the computation alone.

    Attributes:
        computing_s: seconds that were spent computing.
        failures: what failed in which segment, each once.
        finals: how many were given.
    """

    def __init__(self, session: LiveSession, clock: Callable[[], float] | None = None) -> None:
        self.session, self._clock = session, clock
        self.computing_s, self.finals = 0.0, 0
        self.failures: list[str] = []
        self._failed: set[tuple[int, str]] = set()
        self._last_s = 0.0
        self._free_s = 0.0  # when the work would be done that begins with the arrival of its piece

    def accept(self, piece: Piece) -> Iterator[Timed]:
        """What becomes known with the next piece, each as soon as it is; all have to be taken.

        Raises:
            AudioError: it is no audio.
        """
        return self._timed(lambda: self.session.accepting(*piece))

    def finish(self) -> Iterator[Timed]:
        """What becomes known with the end of the audio."""
        return self._timed(self.session.finishing)

    def clock_s(self) -> float:
        """Seconds since the stream's first sample, by the clock that results are timed by."""
        return self._free_s if self._clock is None else self._clock()

    def _timed(self, begin: Callable[[], Iterator[LiveResult]]) -> Iterator[Timed]:
        results: Iterator[LiveResult] | None = None
        result: LiveResult | None = None
        while results is None or result is not None:
            begun = time.monotonic()
            results = begin() if results is None else results
            result = next(results, None)
            took_s = time.monotonic() - begun
            self.computing_s += took_s
            self._free_s = max(self._free_s, self.session.heard_s) + took_s
            self._last_s = max(self._last_s, self.clock_s())
            if isinstance(result, Final):
                self.finals += 1
            elif isinstance(result, Event) and result.kind == "trouble":
                self._note(result)
            if result is not None:
                yield result, self._last_s

    def _note(self, trouble: Event) -> None:
        """Take note of a failure; that of a pass which is made again and again counts once a segment."""
        if (trouble.segment, trouble.reason) not in self._failed:
            self._failed.add((trouble.segment, trouble.reason))
            self.failures.append(f"segment {trouble.segment}, {trouble.time_s:.2f} s: {trouble.reason}")
