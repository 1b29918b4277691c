"""The system's modules as a live stream has them: each call goes through the engine, with those of other streams."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from firered.asr.recogniser import Recogniser
from firered.asr.streaming import RecognitionStream, StreamingRecogniser, streaming
from firered.errors import Outcome
from firered.lid.identify import Lid
from firered.punc.punctuate import Punc
from firered.results import AsrResult, LidResult, PuncResult, Word
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.serve.model_calls import Desk
from firered.system.modules import Modules
from firered.system.system import System


def shared_modules(system: System, desk: Desk) -> Modules:
    """The modules of a system for one stream."""
    own = system.modules
    return Modules(
        lid=cast(Lid, SharedLid(own.lid, desk)) if own.lid else None,
        asr=cast(Recogniser, SharedRecogniser(own.asr, None, desk)) if own.asr else None,
        punc=cast(Punc, SharedPunc(desk)) if own.punc else None,
        routes={name: cast(Recogniser, SharedRecogniser(one, name, desk)) for name, one in own.routes.items()},
    )


def _seconds(utterances: Sequence[Speech]) -> float:
    return sum(speech.duration_s for speech in utterances)


class SharedLid:
    """Language identification.

    Args:
        real: the model.
        desk: of the stream.
    """

    def __init__(self, real: Lid, desk: Desk) -> None:
        self.config, self._desk = real.config, desk

    def identify(self, utterances: Sequence[Speech]) -> list[Outcome[LidResult]]:
        """As `Lid.identify`."""

        def process(system: System, items: list[Speech]) -> Sequence[Outcome[LidResult]]:
            assert system.modules.lid is not None
            return system.modules.lid.identify(items)

        return self._desk.call("lid", utterances, process, _seconds(utterances), ahead=True)


class SharedPunc:
    """Punctuation.

    Args:
        desk: of the stream.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def punctuate(self, texts: Sequence[str]) -> list[Outcome[PuncResult]]:
        """As `Punc.punctuate`."""
        return self._desk.call("punc texts", texts, lambda system, items: _punc(system).punctuate(items), ahead=True)

    def sentences(self, utterances: Sequence[Sequence[Word]], *, texts: Sequence[str]) -> list[Outcome[PuncResult]]:
        """As `Punc.sentences`."""

        def process(system: System, items: list[tuple[Sequence[Word], str]]) -> Sequence[Outcome[PuncResult]]:
            return _punc(system).sentences([words for words, _ in items], texts=[text for _, text in items])

        return self._desk.call("punc words", [*zip(utterances, texts, strict=True)], process, ahead=True)


def _punc(system: System) -> Punc:
    assert system.modules.punc is not None
    return system.modules.punc


class SharedRecogniser:
    """A recogniser.

    Args:
        real: the model.
        route: that it belongs to; None: the main one.
        desk: of the stream.
    """

    def __init__(self, real: Recogniser, route: str | None, desk: Desk) -> None:
        self._real, self._route, self._desk = real, route, desk
        self._streaming = streaming(real)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what it is asked about itself
        return getattr(self._real, name)

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """As `Recogniser.recognise`."""
        route = self._route

        def process(system: System, items: list[Speech]) -> Sequence[Outcome[AsrResult]]:
            recogniser = system.modules.asr if route is None else system.modules.routes[route]
            assert recogniser is not None
            return recogniser.recognise(items)

        name = "asr" if route is None else f"asr {route}"
        return self._desk.call(name, utterances, process, _seconds(utterances))

    @property
    def streams(self) -> bool:
        """As `StreamingRecogniser.streams`."""
        return self._streaming is not None

    def stream(
        self, context: Context | None = None, *, chunk_s: float | None = None, key: str = ""
    ) -> RecognitionStream:
        """As `StreamingRecogniser.stream`; each step is a call of its own."""
        real = cast(StreamingRecogniser, self._streaming)
        return _Stepped(self._desk.alone(lambda: real.stream(context, chunk_s=chunk_s, key=key)), self._desk)


class _Stepped:
    """A stream of recognition whose steps are made by the engine."""

    def __init__(self, real: RecognitionStream, desk: Desk) -> None:
        self._real, self._desk = real, desk

    @property
    def frames(self) -> int:
        return self._real.frames

    @property
    def wanted(self) -> int:
        return self._real.wanted

    def accept(self, feats: Tensor) -> None:
        self._desk.alone(lambda: self._real.accept(feats))

    def result(self) -> AsrResult:
        return self._desk.alone(self._real.result)

    def finish(self, duration_s: float | None = None) -> AsrResult:
        return self._desk.alone(lambda: self._real.finish(duration_s))
