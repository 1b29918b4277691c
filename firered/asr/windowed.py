"""What recognisers have in common: utterances of any length, in windows and batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from firered.asr.guard import Guard
from firered.audio.like import AudioLike, as_frames, listed
from firered.errors import OptionError, Outcome, result_of
from firered.results import AsrResult
from firered.runtime.batches import by_parts
from firered.runtime.context import Context
from firered.runtime.entry import Progress, over_audio
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts

Decoded = TypeVar("Decoded")


class WindowConfig(Protocol):
    """The options that batches and windows are made by."""

    batch_seconds: float
    window_seconds: float


class WindowedRecogniser(ABC, Generic[Decoded]):
    """A recogniser that decodes batches of windows (`_decode`) and joins an utterance's windows (`_join`).

    Its `guard` looks over what comes of it.
    """

    config: WindowConfig
    guard: Guard

    @property
    @abstractmethod
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""

    @property
    @abstractmethod
    def times_words(self) -> bool:
        """Whether its results have word times."""

    def __call__(self, audio: AudioLike, uttid: str = "", *, context: Context | None = None) -> AsrResult:
        """The result for one utterance of any length.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            uttid: id in the result; a path's name without suffix if not given.
            context: what is known of the utterance beforehand.

        Raises:
            AudioError: it cannot be read or holds nothing to recognise.
        """
        speech = replace(Speech.of(as_frames(audio, uttid)), context=context or Context())
        (result,) = self.recognise([speech])
        return result_of(result)

    def batch(
        self,
        audios: Iterable[AudioLike],
        uttids: Sequence[str] | None = None,
        *,
        context: Context | Sequence[Context] | None = None,
        progress: Progress | None = None,
    ) -> list[Outcome[AsrResult]]:
        """The result for each utterance, in their order; for one that failed the error, of firered's, in its place.

        Args:
            audios: recordings in any form.
            uttids: ids in the results; a path's name without suffix if not given.
            context: what is known beforehand, of all of them or one for each.
            progress: called with the number of utterances that are done, and of all.

        Raises:
            OptionError: this is no list of recordings, or there are not as many ids or contexts.
        """
        recordings = listed(audios, uttids)
        if context is None or isinstance(context, Context):
            contexts = [context or Context()] * len(recordings)
        else:
            contexts = list(context)
        if len(contexts) != len(recordings):
            raise OptionError(f"context: {len(contexts)} for {len(recordings)} recordings")

        def with_context(number: int, speech: Speech) -> Speech:
            return replace(speech, context=contexts[number])

        return over_audio(recordings, uttids, self.recognise, self.config.batch_seconds, progress, with_context)

    def recognise(self, utterances: Sequence[Speech]) -> list[AsrResult | Exception]:
        """A result, or what went wrong, for each utterance; batched by length, alone what they are in company."""
        config = self.config
        decoded = by_parts(
            utterances, lambda one: window_parts(one, config.window_seconds), config.batch_seconds, self._decode
        )
        results = [self._joined(one, parts) for one, parts in zip(utterances, decoded, strict=True)]
        return self.guard(utterances, self._timed(utterances, results))

    def _joined(self, one: Speech, parts: list[tuple[Speech, Decoded | Exception]]) -> AsrResult | Exception:
        errors = [outcome for _, outcome in parts if isinstance(outcome, Exception)]
        return errors[0] if errors else self._join(one, parts)

    def _timed(self, utterances: Sequence[Speech], results: list[AsrResult | Exception]) -> list[AsrResult | Exception]:
        """The results with what is only known once windows are joined."""
        return results

    @abstractmethod
    def _decode(self, batch: list[Speech]) -> list[Decoded]:
        """What a batch of windows decodes to."""

    @abstractmethod
    def _join(self, one: Speech, parts: list[tuple[Speech, Decoded]]) -> AsrResult | Exception:
        """One utterance's result from its windows and what they decoded to, or why there is none."""
