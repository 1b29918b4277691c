"""A live stream in a thread of its own, off the event loop: `Session`."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from firered.results.live import Final, LiveResult
from firered.runtime.threads import compute_alone
from firered.serve.errors import ApiError, fault
from firered.serve.model_calls import Desk
from firered.serve.samples import sample_bytes, samples_of
from firered.serve.streams import Settings, Stream, Streams

log = logging.getLogger(__name__)

LEAST_S = 0.1  # of audio in a commit
_AT_ONCE_S = 0.5  # of audio that has come together is computed together


@dataclass(frozen=True)
class Audio:
    """Bytes of samples."""

    data: bytes


@dataclass(frozen=True)
class Commit:
    """Speech ends here; `tag` is what the client calls it."""

    tag: str | None = None


@dataclass(frozen=True)
class Clear:
    """What was not committed is forgotten."""


@dataclass(frozen=True)
class Change:
    """Other settings hold from here on."""

    settings: Settings


@dataclass(frozen=True)
class End:
    """There is no more audio."""


Order: TypeAlias = Audio | Commit | Clear | Change | End


@dataclass(frozen=True)
class Told:
    """What became of an order.

    Attributes:
        order: that was carried out.
        results: that became known.
        heard_s: seconds of the stream until then.
        error: what went wrong.
        skipped: partial texts that were left out so far.
    """

    order: Order
    results: Sequence[LiveResult]
    heard_s: float
    error: ApiError | None = None
    skipped: int = 0


class Session:
    """Carries out a client's orders one after the other.

    Args:
        streams: that it is one of.
        desk: its way to the models.
        settings: that hold from the start.
        tell: is called, by its thread, with what becomes of each order; of audio, where there is something to tell.
    """

    def __init__(self, streams: Streams, desk: Desk, settings: Settings, tell: Callable[[Told], None]) -> None:
        self._streams, self._desk, self._settings, self._tell = streams, desk, settings, tell
        self._orders: deque[Order] = deque()
        self._changed = threading.Condition()
        self._waiting = 0  # bytes of audio
        self._rest = b""  # of a sample whose other bytes are to come
        self._since_s = 0.0  # when the turn that is not committed yet began
        self._thread = threading.Thread(target=self._run, name="firered-stream", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, order: Order) -> None:
        """The client's next order."""
        with self._changed:
            self._orders.append(order)
            self._waiting += len(order.data) if isinstance(order, Audio) else 0
            self._changed.notify()

    def leave(self) -> None:
        """Nobody listens any more: nothing that waits is carried out, and what is computed is not waited for."""
        self._desk.leave()
        with self._changed:
            self._orders.clear()
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Bytes of audio that wait."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with self._streams.open(self._desk) as begin:
            compute_alone()  # voice detection, in small steps; passes are computed by the engine's threads
            stream = Stream(begin, self._settings)
            while self._waited():
                with self._desk.at_work():  # what comes until its turn is computed together
                    order = self._next()
                    told = self._carried_out(order, stream)
                if self._desk.left:
                    return
                if told is not None:
                    self._tell(told)
                if isinstance(order, End) or (told and told.error and told.error.status >= 500):
                    return

    def _waited(self) -> bool:
        """Wait for the next order; whether there is one, and the session was not left."""
        with self._changed:
            while not self._orders and not self._desk.left:
                self._changed.wait()
            least_s = self._streams.least_s
            least, until = self._bytes(least_s), time.monotonic() + least_s
            while (
                self._waiting < least
                and all(isinstance(order, Audio) for order in self._orders)
                and (left_s := until - time.monotonic()) > 0
                and not self._desk.left
            ):
                self._changed.wait(left_s)
        return not self._desk.left

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self._settings.rate) * sample_bytes(self._settings.encoding)

    def _next(self) -> Order:
        """The next order; audio that waits is put together."""
        with self._changed:
            order = self._orders.popleft() if self._orders else Clear()  # it was left meanwhile
            if not isinstance(order, Audio):
                return order
            most = self._bytes(_AT_ONCE_S)
            data = order.data
            while self._orders and len(data) < most and isinstance(following := self._orders[0], Audio):
                data += following.data
                self._orders.popleft()
            if len(data) > most:  # what it says is told before the rest is looked at
                self._orders.appendleft(Audio(data[most:]))
                data = data[:most]
            self._waiting -= len(data)
            return Audio(data)

    def _carried_out(self, order: Order, stream: Stream) -> Told | None:
        try:
            found = self._results(order, stream)
        except Exception as error:
            known = error if isinstance(error, ApiError) else fault(error)
            return None if self._desk.left else Told(order, [], stream.heard_s, known)
        if isinstance(order, Audio) and not found:
            return None
        if self._settings.turns:
            self._since_s = max([self._since_s, *(one.end_s for one in found if isinstance(one, Final))])
        return Told(order, found, stream.heard_s, skipped=stream.skipped)

    def _results(self, order: Order, stream: Stream) -> list[LiveResult]:
        if isinstance(order, Audio):
            return self._heard(order.data, stream)
        if isinstance(order, Commit):
            self._check_enough(stream.heard_s)
        if isinstance(order, Change):
            if order.settings.encoding != self._settings.encoding:
                self._rest = b""
            self._settings = order.settings
            return stream.change(order.settings)
        if isinstance(order, Clear):
            stream.clear()
            found: list[LiveResult] = []
        else:
            found = stream.commit()
        self._rest, self._since_s = b"", stream.heard_s
        return found

    def _heard(self, data: bytes, stream: Stream) -> list[LiveResult]:
        data = self._rest + data
        whole = len(data) - len(data) % sample_bytes(self._settings.encoding)
        data, self._rest = data[:whole], data[whole:]
        samples = samples_of(data, self._settings.encoding)
        if not np.isfinite(samples).all():
            raise ApiError(400, "the audio has samples that are no numbers", code="invalid_audio")
        return stream.accept(samples) if len(samples) else []

    def _check_enough(self, heard_s: float) -> None:
        """Raise ApiError where there is too little audio for a commit."""
        there_s = heard_s - self._since_s
        if there_s < LEAST_S - 1e-9:
            raise ApiError(
                400,
                f"the buffer is too small to be committed: it holds {1000 * there_s:.2f} ms of audio, "
                f"at least {1000 * LEAST_S:g} ms are needed",
                code="input_audio_buffer_commit_empty",
            )
