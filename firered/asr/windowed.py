"""What recognisers have in common: utterances of any length, in windows and batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar, overload

import torch
from torch import Tensor

from firered.asr.config import RecogniserConfig
from firered.asr.guard import Guard
from firered.asr.recogniser import Encoded
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.like import AudioLike, as_frames, listed
from firered.errors import AudioError, ModelError, OptionError, Outcome, result_of
from firered.results import AsrResult
from firered.runtime.batches import by_parts
from firered.runtime.context import Context
from firered.runtime.entry import Progress, over_audio
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts

Config = TypeVar("Config", bound=RecogniserConfig)
Decoded = TypeVar("Decoded")
Out = TypeVar("Out")


class WindowedRecogniser(ABC, Generic[Config, Decoded]):
    """A recogniser that decodes batches of windows (`_decode`) and joins an utterance's windows (`_join`).

    Its `guard` looks over what comes of it.

    Attributes:
        config: its options.
        guard: see `firered.asr.guard`.
        front_end: the features that it is made for.
        subsampling: feature frames to an encoder frame; windows are cut at whole encoder frames.
        layers: of its encoder.
        adapter_rate: encoder frames to an embedding that its adapter gives; 0: it has no adapter.
    """

    config: Config
    guard: Guard
    front_end: FrontEnd = PUBLISHED
    subsampling: int = 1
    layers: int = 0
    adapter_rate: int = 0

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
        (result,) = self.recognise([Speech.of(as_frames(audio, uttid), context)])
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

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """A result, or what went wrong, for each utterance, in their order; the same in any batch."""
        decoded = self._by_windows(utterances, self._decode, self.subsampling)
        results = [self._joined(speech, parts) for speech, parts in zip(utterances, decoded, strict=True)]
        return self.guard(utterances, self._timed(utterances, results))

    @overload
    def encode(
        self, audio: list[Speech], *, layer: int | None = None, adapter: bool = False
    ) -> list[Outcome[Encoded]]: ...

    @overload
    def encode(self, audio: AudioLike, *, layer: int | None = None, adapter: bool = False) -> Encoded: ...

    def encode(
        self, audio: AudioLike | list[Speech], *, layer: int | None = None, adapter: bool = False
    ) -> Encoded | list[Outcome[Encoded]]:
        """The encoder's output for one recording in any form, or for each of several utterances in memory.

        Long utterances are encoded in windows, as they are decoded. It is the same in any batch.

        Args:
            audio: a recording, or a list of `Speech`.
            layer: the output of this layer, from 1; 0: what the first layer is given; None: of the last.
            adapter: the output of the adapter, as a language model is given it.

        Raises:
            OptionError: the model has no such layer, or no adapter.
            AudioError: the one recording cannot be read or is too short.
        """
        if layer is not None and not 0 <= layer <= self.layers:
            raise OptionError(f"layer: {layer} is not one of 0 to {self.layers}")
        if adapter and (layer is not None or not self.adapter_rate):
            raise OptionError("adapter: it follows the last layer" if layer else "adapter: this model has none")
        if not isinstance(audio, list):
            return result_of(self._encoded([Speech.of(as_frames(audio))], layer, adapter)[0])
        return self._encoded(audio, layer, adapter)

    def _encoded(self, utterances: Sequence[Speech], layer: int | None, adapter: bool) -> list[Outcome[Encoded]]:
        frames = self.subsampling * (self.adapter_rate if adapter else 1)  # to a row
        encoded = self._by_windows(utterances, lambda batch: self._encode(batch, layer, adapter), frames)
        return [
            _one_matrix(speech, parts, frames * speech.front_end.frame_shift_s)
            for speech, parts in zip(utterances, encoded, strict=True)
        ]

    def _by_windows(
        self, utterances: Sequence[Speech], process: Callable[[list[Speech]], list[Out]], multiple: int
    ) -> list[list[tuple[Speech, Outcome[Out]]]]:
        """What `process` makes of each utterance's windows, which share batches."""
        config = self.config
        for speech in utterances:
            if speech.front_end != self.front_end:
                raise ModelError(f"{speech.key}: its features are {speech.front_end}, the model needs {self.front_end}")
        return by_parts(
            utterances,
            lambda speech: window_parts(speech, config.window_seconds, multiple),
            config.batch_seconds,
            process,
        )

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

    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        """(T, D) of each window, float32 on the processor; only called for layers and adapters that there are."""
        raise ModelError("this kind of recogniser does not give what its encoder puts out")

    @abstractmethod
    def _decode(self, batch: list[Speech]) -> list[Decoded]:
        """What a batch of windows decodes to."""

    @abstractmethod
    def _join(self, speech: Speech, parts: list[tuple[Speech, Decoded]]) -> Outcome[AsrResult]:
        """One utterance's result from its windows and what they decoded to, or why there is none."""


def _one_matrix(speech: Speech, parts: list[tuple[Speech, Outcome[Tensor]]], frame_shift_s: float) -> Outcome[Encoded]:
    """One utterance's matrix from those of its windows."""
    matrices: list[Tensor] = []
    for _, outcome in parts:
        if isinstance(outcome, Exception):
            return outcome
        matrices.append(outcome)
    feats = torch.cat(matrices)
    if not len(feats):
        return AudioError(
            f"{1000 * speech.duration_s:.0f} ms are too short: not one row of {1000 * frame_shift_s:.0f} ms"
        )
    return Encoded(speech.key, feats, frame_shift_s, speech.duration_s)
