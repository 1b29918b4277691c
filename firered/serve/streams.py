"""Live streams on the models of an engine: `Streams`, and one client's audio over its commits, `Stream`."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from firered.live.config import LiveConfig
from firered.live.session import LiveSession
from firered.live.system import LiveSystem
from firered.results.live import Event, LiveResult, Partial
from firered.runtime.context import Context
from firered.serve.engine import Engine
from firered.serve.model_calls import Desk
from firered.serve.samples import PCM16
from firered.serve.shared_models import shared_modules
from firered.vad.config import StreamVadConfig
from firered.vad.detect import StreamVad

_FEW, _LEAST_S = 4, 0.2


@dataclass(frozen=True)
class Settings:
    """What a client wants of its stream.

    Attributes:
        rate: samples a second.
        encoding: of the samples.
        context: what the recogniser is given.
        live: options of live recognition.
        vad: of the voice detector.
        turns: whether the server finds where turns end; if not, the client commits them.
    """

    rate: int
    encoding: str = PCM16
    context: Context = field(default_factory=Context)
    live: LiveConfig = field(default_factory=LiveConfig)
    vad: StreamVadConfig = field(default_factory=StreamVadConfig)
    turns: bool = True

    def same_audio(self, other: "Settings") -> bool:
        """Whether only the context differs, which may change in the middle of speech."""
        return replace(self, context=other.context) == other


class Streams:
    """Begins live sessions whose models are shared with all other work of an engine.

    Args:
        engine: that owns the models.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def desk(self) -> Desk:
        """A new stream's way to the models."""
        return Desk(self._engine.turns)

    @property
    def least_s(self) -> float:
        """Seconds of audio that are worth computing: with many streams small pieces cost more than they are worth."""
        return _LEAST_S if self._engine.turns.streams > _FEW else 0.0

    @property
    def possible(self) -> bool:
        """Whether there is a voice detector for them."""
        return self._engine.models.detects

    @contextlib.contextmanager
    def open(self, desk: Desk) -> Iterator[Callable[[Settings], LiveSession]]:
        """What begins sessions of one stream, whose models stay in memory as long as the block runs.

        Args:
            desk: of the stream.
        """
        turns = self._engine.turns
        with self._engine.models.use() as system:
            modules = shared_modules(system, desk)
            detector, own_marks = self._engine.models.detector, system.config.punc

            def begin(wanted: Settings) -> LiveSession:
                own = StreamVad(detector.classifier, wanted.vad) if wanted.vad != detector.config else detector
                return LiveSystem(own, modules, wanted.live, wanted.context, own_marks=own_marks).session()

            turns.count(streams=1)
            try:
                yield begin
            finally:
                turns.count(streams=-1)


class Stream:
    """A client's audio: each commit ends a live session, the next one goes on with its times and numbers.

    A commit is where the client says that speech has ended, so what was heard until then is finished as at the end of a
    stream, and nothing of it is known to what follows.

    Args:
        begin: makes sessions.
        settings: that hold from its start.
    """

    def __init__(self, begin: Callable[[Settings], LiveSession], settings: Settings) -> None:
        self._begin, self._settings = begin, settings
        self._session: LiveSession | None = None
        self._base_s, self._base, self._samples, self._segments = 0.0, 0, 0, 0
        self._skipped = 0

    @property
    def heard_s(self) -> float:
        """Seconds received."""
        return self._base_s + self._samples / self._settings.rate

    @property
    def skipped(self) -> int:
        """Partial texts that were left out because computing was behind."""
        return self._skipped + (self._session.skipped if self._session else 0)

    def accept(self, samples: np.ndarray) -> list[LiveResult]:
        """What becomes known with the next samples."""
        session = self._session = self._session or self._begin(self._settings)
        self._samples += len(samples)
        return self._placed(session.accept(samples, self._settings.rate))

    def commit(self) -> list[LiveResult]:
        """What becomes known as speech has ended here."""
        found = self._placed(self._session.finish()) if self._session else []
        self.clear()
        return found

    def clear(self) -> None:
        """Forget what was heard since the last final."""
        self._skipped, self._session = self.skipped, None
        self._base_s, self._samples, self._base = self.heard_s, 0, self._segments

    def change(self, settings: Settings) -> list[LiveResult]:
        """What becomes known as other settings hold; only a context changes in the middle of speech."""
        if self._session is not None and self._settings.same_audio(settings):
            self._session.context = settings.context
            found: list[LiveResult] = []
        else:
            found = self.commit()
        self._settings = settings
        return found

    def _placed(self, results: list[LiveResult]) -> list[LiveResult]:
        """Results with the times and numbers of the whole stream."""
        found = [placed(result, self._base_s, self._base) for result in results]
        self._segments = max([self._segments, *(result.segment for result in found)])
        return found


def placed(result: LiveResult, by_s: float, by: int) -> LiveResult:
    """A result so many seconds and segments later."""

    def at(seconds: float) -> float:
        return round(seconds + by_s, 3)

    number, known_s, heard_s = result.segment + by, at(result.known_s), at(result.heard_s)
    if isinstance(result, Event):
        return replace(result, segment=number, known_s=known_s, heard_s=heard_s, time_s=at(result.time_s))
    span = at(result.start_s), at(result.end_s)
    if isinstance(result, Partial):
        return replace(result, segment=number, known_s=known_s, heard_s=heard_s, start_s=span[0], end_s=span[1])
    return replace(
        result,
        segment=number,
        known_s=known_s,
        heard_s=heard_s,
        start_s=span[0],
        end_s=span[1],
        words=[replace(one, start_s=at(one.start_s), end_s=at(one.end_s)) for one in result.words],
        sentences=[replace(one, start_s=at(one.start_s), end_s=at(one.end_s)) for one in result.sentences],
        troubles=[replace(one, start_s=at(one.start_s), end_s=at(one.end_s)) for one in result.troubles],
    )
