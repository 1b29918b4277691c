"""What recognisers have in common: utterances of any length, in windows and batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from firered.asr.config import RecogniserConfig
from firered.asr.guard import Guard
from firered.audio.frames import Audio, of_audio
from firered.audio.frontend import SAMPLE_RATE
from firered.errors import Outcome, result_of
from firered.results import AsrResult
from firered.runtime.batches import by_parts
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts

Config = TypeVar("Config", bound=RecogniserConfig)
Decoded = TypeVar("Decoded")


class WindowedRecogniser(ABC, Generic[Config, Decoded]):
    """A recogniser that decodes batches of windows (`_decode`) and joins an utterance's windows (`_join`).

    Its `guard` looks over what comes of it.
    """

    config: Config
    guard: Guard

    @property
    @abstractmethod
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""

    @property
    @abstractmethod
    def times_words(self) -> bool:
        """Whether its results have word times."""

    def __call__(self, audio: Audio, uttid: str = "", sample_rate: int = SAMPLE_RATE) -> AsrResult:
        """Result for one utterance of any length: a path, a Kaldi extended file name, or samples as `Vad` takes them.

        Raises:
            AudioError: it cannot be read or holds nothing to recognise.
        """
        (result,) = self.recognise([Speech.of(of_audio(audio, uttid, sample_rate))])
        return result_of(result)

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """A result, or what went wrong, for each utterance, in their order; the same in any batch."""
        config = self.config
        decoded = by_parts(
            utterances, lambda speech: window_parts(speech, config.window_seconds), config.batch_seconds, self._decode
        )
        results = [self._joined(speech, parts) for speech, parts in zip(utterances, decoded, strict=True)]
        return self.guard(utterances, self._timed(utterances, results))

    def _joined(self, speech: Speech, parts: list[tuple[Speech, Outcome[Decoded]]]) -> Outcome[AsrResult]:
        decoded: list[tuple[Speech, Decoded]] = []
        for part, outcome in parts:
            if isinstance(outcome, Exception):
                return outcome
            decoded.append((part, outcome))
        return self._join(speech, decoded)

    def _timed(self, utterances: Sequence[Speech], results: list[Outcome[AsrResult]]) -> list[Outcome[AsrResult]]:
        """The results with what is only known once windows are joined."""
        return results

    @abstractmethod
    def _decode(self, batch: list[Speech]) -> list[Decoded]:
        """What a batch of windows decodes to."""

    @abstractmethod
    def _join(self, speech: Speech, parts: list[tuple[Speech, Decoded]]) -> Outcome[AsrResult]:
        """One utterance's result from its windows and what they decoded to, or why there is none."""
