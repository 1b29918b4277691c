"""What recognisers and their encoders share: utterances of any length pass through a model in windows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar, overload

import torch
from torch import Tensor

from firered.asr.config import RecogniserConfig
from firered.asr.recogniser import Encoded
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.like import AudioLike, as_frames
from firered.errors import AudioError, ModelError, OptionError, Outcome, result_of
from firered.runtime.batches import by_parts
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts

Config = TypeVar("Config", bound=RecogniserConfig)
Out = TypeVar("Out")


class WindowedEncoder(ABC, Generic[Config]):
    """An encoder of windows (`_encode`), with a recogniser behind it or without.

    Attributes:
        config: its options.
        front_end: the features that it is made for.
        subsampling: feature frames to an encoder frame; windows are cut at whole encoder frames.
        layers: of the encoder.
        adapter_rate: encoder frames to an embedding that its adapter gives; 0: it has no adapter.
    """

    config: Config
    front_end: FrontEnd = PUBLISHED
    subsampling: int = 1
    layers: int = 0
    adapter_rate: int = 0

    @property
    def longest_s(self) -> float:
        """Seconds of the longest window that it is given."""
        return self.config.window_seconds

    @property
    @abstractmethod
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""

    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        """(T, D) of each window, float32 on the processor; only called for layers and adapters that there are."""
        raise ModelError("this kind of recogniser does not give what its encoder puts out")

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
        if adapter and layer is not None:
            raise OptionError("adapter: it follows the last layer; give no other")
        if adapter and not self.adapter_rate:
            raise OptionError("adapter: this model has none")
        if not isinstance(audio, list):
            return result_of(self._encoded([Speech.of(as_frames(audio, front_end=self.front_end))], layer, adapter)[0])
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
        """The result of `process` for each utterance's windows, which share batches."""
        config = self.config
        for speech in utterances:
            if speech.front_end != self.front_end:
                raise ModelError(f"{speech.key}: its features are {speech.front_end}, the model needs {self.front_end}")
        return by_parts(
            utterances,
            lambda speech: window_parts(speech, self.longest_s, multiple),
            config.batch_seconds,
            process,
        )


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
