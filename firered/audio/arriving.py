"""Live audio on its way from a source to the one thread that works on it: `Arriving`."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

import numpy as np

Piece = tuple[np.ndarray, int]  # samples (n,) or (n, channels), and their rate in Hz

PIECE_S = 0.1  # so much is handed on at a time: what is known within a piece is given out at its end
_LOOK_S = 0.2  # between two looks whether the audio is still wanted


class Source(Protocol):
    """Where live audio comes from; `name` is for messages."""

    name: str

    def read(self, into: "Arriving") -> None:
        """Put in what comes until it ends, or `into.stopped` is set.

        Raises:
            AudioError: the source fails.
        """


class Arriving:
    """A source's audio: a thread of its own takes it, while another works on what has arrived.

    Use as a context manager: the thread ends with the block.

    Args:
        source: what is read.
        room_s: seconds of audio that are kept at most. A source that can wait does when they are full; of one that
            cannot, audio is lost.
        pace: seconds of audio that come in a second, where that is known.
        clock: seconds of any origin.

    Attributes:
        stopped: set when no more audio is wanted; what has arrived is still handed on.
        lost_s: seconds that were lost; silence has taken their place, so that times stay right.
        faults: what else the source could not do as it should have.
    """

    def __init__(
        self, source: Source, room_s: float, *, pace: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stopped, self.lost_s, self.faults = threading.Event(), 0.0, list[str]()
        self._source, self._room_s, self._pace, self._clock = source, room_s, pace, clock
        self._pieces: deque[Piece] = deque()
        self._waiting_s = self._silence_s = 0.0  # of `_pieces`; so much of it takes no memory
        self._gap = 0  # samples that were lost since the last piece
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._ended = False
        self._begun: float | None = None  # on the clock: the first sample
        self._thread = threading.Thread(target=self._read, name="audio", daemon=True)

    # --- the source's side ---

    def put(self, samples: np.ndarray, rate: int) -> bool:
        """Hand on a piece, when there is room for it; false where no more is wanted."""
        if not len(samples):
            return not self.stopped.is_set()
        with self._changed:
            while self._full and not self.stopped.is_set():
                self._changed.wait(_LOOK_S)
            if self.stopped.is_set():
                return False
            self._add(samples, rate)
        return True

    def offer(self, samples: np.ndarray, rate: int) -> None:
        """Hand on a piece at once; where there is no room it is lost."""
        with self._changed:
            if self.stopped.is_set():
                return
            if self._full:
                self._gap += len(samples)
                self.lost_s += len(samples) / rate
                return
            self._fill_gap(samples.shape[1:], rate)
            self._add(samples, rate)

    @property
    def _full(self) -> bool:
        return self._waiting_s - self._silence_s >= self._room_s - 1e-6

    def _add(self, samples: np.ndarray, rate: int) -> None:
        if self._begun is None:
            self._begun = self._clock() - (len(samples) / rate / self._pace if self._pace else 0.0)
        self._pieces.append((samples, rate))
        self._waiting_s += len(samples) / rate
        self._changed.notify_all()

    def _fill_gap(self, shape: tuple[int, ...], rate: int) -> None:
        """Silence in the place of what was lost; however long it is, it takes no memory."""
        if self._gap:
            self._silence_s += self._gap / rate
            self._add(np.broadcast_to(np.zeros((1, *shape), np.int16), (self._gap, *shape)), rate)
            self._gap = 0

    def _read(self) -> None:
        try:
            self._source.read(self)
        except Exception as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # --- the side of who works on it ---

    def pieces(self, tick_s: float) -> Iterator[Piece | None]:
        """What arrives, in pieces of 0.1 s or less; None where nothing has arrived for `tick_s`.

        Raises:
            AudioError: the source failed; what came before has been handed on.
        """
        while True:
            with self._changed:
                if not (self._pieces or self._ended or self.stopped.is_set()):
                    self._changed.wait(tick_s)
                ended = not self._pieces and (self._ended or self.stopped.is_set())
                piece = self._next() if self._pieces else None
            if ended:
                break
            yield piece
        if self._error is not None:
            raise self._error

    def _next(self) -> Piece:
        samples, rate = self._pieces.popleft()
        size = max(1, round(PIECE_S * rate))
        if len(samples) > size:
            self._pieces.appendleft((samples[size:], rate))
            samples = samples[:size]
        self._waiting_s = max(0.0, self._waiting_s - len(samples) / rate) if self._pieces else 0.0
        if samples.strides[0] == 0:
            self._silence_s = max(0.0, self._silence_s - len(samples) / rate)
        self._changed.notify_all()
        return samples, rate

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that have arrived and were not handed on yet."""
        return self._waiting_s

    def clock_s(self) -> float:
        """Seconds on the clock since the first sample; 0 before it has come."""
        return 0.0 if self._begun is None else self._clock() - self._begun

    def __enter__(self) -> "Arriving":
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading; a source that does not answer is not waited for."""
        self.stopped.set()
        self._thread.join(timeout=5 * _LOOK_S)
