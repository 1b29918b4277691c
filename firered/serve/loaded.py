"""The models of a server, which may be unloaded while nobody needs them: `Models`."""

import contextlib
import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from firered.system.system import System
from firered.vad.detect import StreamVad


@dataclass(frozen=True)
class Able:
    """What is known of the models without having them loaded.

    Attributes:
        name: of the recogniser.
        uses: the fields of a context that it makes use of.
        languages: codes of those that it writes, where it cannot be told one.
        finds_voice: whether there is a voice detector.
        times_words: whether its words have times.
    """

    name: str
    uses: frozenset[str]
    languages: tuple[str, ...]
    finds_voice: bool
    times_words: bool

    @classmethod
    def of(cls, name: str, languages: Sequence[str], system: System) -> "Able":
        """What a system can do, under a name; languages are those of recognisers that cannot be told one."""
        recognisers = system.modules.recognisers
        return cls(
            name=name,
            uses=frozenset.intersection(*(frozenset(recogniser.uses) for recogniser in recognisers)),
            languages=tuple(languages),
            finds_voice=system.modules.vad is not None,
            times_words=all(recogniser.times_words for recogniser in recognisers),
        )


class Models:
    """Copies of a system, one for each thread that recognises, and the voice detector of live streams.

    Args:
        build: makes a system.
        copies: how many.
        detector: makes the detector; None: there is none.
    """

    def __init__(
        self, build: Callable[[], System], copies: int, detector: Callable[[], StreamVad] | None = None
    ) -> None:
        self._build, self._copies, self._build_detector = build, copies, detector
        self._detector: StreamVad | None = None
        self._lock = threading.Lock()
        self._systems: list[System] = []
        self._users = 0

    @property
    def loaded(self) -> bool:
        """Whether they are in memory."""
        return bool(self._systems)

    @contextlib.contextmanager
    def use(self, number: int = 0) -> Iterator[System]:
        """The copy of a number, loaded first if it is not there, and kept as long as the block runs."""
        with self._lock:
            if not self._systems:
                self._detector = self._build_detector() if self._build_detector else None
                self._systems = [self._build() for _ in range(self._copies)]
            self._users += 1
            system = self._systems[number]
        try:
            yield system
        finally:
            del system
            with self._lock:
                self._users -= 1

    @property
    def detects(self) -> bool:
        """Whether there is a detector for live streams."""
        return self._build_detector is not None

    @property
    def detector(self) -> StreamVad:
        """The detector of live streams, while somebody uses the models."""
        assert self._detector is not None
        return self._detector

    def unload(self) -> bool:
        """Whether they are gone from memory; not while somebody uses them."""
        with self._lock:
            if self._users or not self._systems:
                return False
            self._systems, self._detector = [], None
        give_back_memory()
        return True


def give_back_memory() -> None:
    """Have what was freed go back to the system: Python, torch and the C library keep it otherwise."""
    gc.collect()
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL("libc.so.6").malloc_trim(0)
