"""Calls of models by live streams, which share batches: `ModelCall` and `Desk`, a stream's way to the models."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from firered.errors import FireRedError, Outcome
from firered.system.system import System

Process = Callable[[System, list[Any]], Sequence[Outcome[Any]]]


class LeftError(FireRedError):
    """Nobody waits for the stream any more, or the server ends."""


@dataclass(eq=False)
class ModelCall:
    """Items for a model.

    Attributes:
        name: calls of the same name go through the model together; None: on its own, by the first thread, whose copy
            of the models the stream holds.
        items: what the model is given.
        process: gives an outcome for each item.
        seconds: of speech.
        ahead: it is a short step of a final text, which goes before passes over segments.
        at: when it came.
        done: set once `found` is there, or will never be.
    """

    name: str | None
    items: list[Any]
    process: Process
    seconds: float = 0.0
    ahead: bool = False
    at: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    found: Sequence[Outcome[Any]] | None = None

    def put(self, found: Sequence[Outcome[Any]] | None) -> None:
        """It is over; None: without a result."""
        self.found = found
        self.done.set()


class Turntable(Protocol):
    """Where calls wait for the threads that recognise."""

    def call(self, call: ModelCall) -> None:
        """Have it wait."""

    def withdraw(self, call: ModelCall) -> None:
        """Nobody wants it any more."""

    def count(self, *, streams: int = 0, busy: int = 0) -> None:
        """So many more streams are open, or at work."""


class Desk:
    """Hands a stream's calls to the engine's threads and waits for what comes back.

    Args:
        turns: where calls wait.
    """

    def __init__(self, turns: Turntable) -> None:
        self._turns, self._lock = turns, threading.Lock()
        self._call: ModelCall | None = None
        self.left = False

    def call(
        self, name: str | None, items: Sequence[Any], process: Process, seconds: float = 0.0, *, ahead: bool = False
    ) -> list[Any]:
        """An outcome for each item.

        Raises:
            LeftError: the stream was left meanwhile.
        """
        call = ModelCall(name, list(items), process, seconds, ahead)
        with self._lock:
            if self.left:
                raise LeftError("the stream was left")
            self._call = call
        self._turns.call(call)
        call.done.wait()
        self._call = None
        if call.found is None:
            raise LeftError("the stream was left")
        return list(call.found)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """The block computes for the stream; others may wait for its calls, to share a batch."""
        self._turns.count(busy=1)
        try:
            yield
        finally:
            self._turns.count(busy=-1)

    def alone(self, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it gives
        """What a function gives that needs the first copy of the models to itself."""
        (found,) = self.call(None, [None], lambda _, __: [act()])
        if isinstance(found, Exception):
            raise found
        return found

    def leave(self) -> None:
        """Wait for nothing any more."""
        with self._lock:
            self.left = True
            call = self._call
        if call is not None:
            self._turns.withdraw(call)
