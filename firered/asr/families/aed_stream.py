"""Speech that has not ended through the attention encoder-decoder: its first pass, and a recogniser's stream."""

from typing import Protocol

import torch
from torch import Tensor

from firered.audio.frontend import FrontEnd
from firered.models.aed import Aed
from firered.models.chunks import Chunk
from firered.models.frame_encoder import SUBSAMPLING
from firered.models.streaming import BEYOND, PositionKeys, StreamingEncoder
from firered.results import AsrResult, Shown
from firered.runtime.context import Context
from firered.runtime.loaded import Loaded, numbers
from firered.runtime.speech import Speech
from firered.search.ctc_prefix import CtcHypothesis, CtcPrefixSearch


class FirstPass:
    """Encoder, CTC head and prefix search of one utterance, chunk by chunk.

    Args:
        loaded: the model.
        front_end: of the features.
        chunk: what encoder frames see.
        positions: of the model's encoder.
        prefixes: the search, before its first frame.

    Attributes:
        shown: the text whenever it changed, and when that could be known: when the last sample had come that the chunk
            needs.
    """

    def __init__(
        self, loaded: Loaded[Aed], front_end: FrontEnd, chunk: Chunk, positions: PositionKeys, prefixes: CtcPrefixSearch
    ) -> None:
        self._loaded, self._front_end, self._chunk = loaded, front_end, chunk
        self._encoder = StreamingEncoder(loaded.model.encoder, chunk, positions)
        self.prefixes = prefixes
        self.shown: list[Shown] = []
        self.frames = 0  # encoder frames that were searched
        self._given = 0  # feature frames
        self._encoded: list[Tensor] = []
        self._log_probs: list[Tensor] = []

    @torch.inference_mode()
    def accept(self, feats: Tensor) -> None:
        """Take in features (T, bins), not normalised."""
        self._given += len(feats)
        given = self._loaded.cmvn(feats).to(self._loaded.device, self._loaded.model.dtype)
        for encoded in self._encoder.accept(given).split(self._chunk.size):
            heard = self._front_end.duration_s(SUBSAMPLING * (self.frames + len(encoded)) + BEYOND)
            self._search(encoded, heard)

    @torch.inference_mode()
    def finish(self, duration_s: float) -> None:
        """The utterance ends after so many seconds."""
        for encoded in self._encoder.finish().split(self._chunk.size):
            self._search(encoded, duration_s)

    def _search(self, encoded: Tensor, heard_s: float) -> None:
        """Go on through a chunk (C, D)."""
        if not len(encoded):
            return
        rows, lengths = numbers(encoded[None], torch.tensor([len(encoded)], device=encoded.device))
        log_probs = self._loaded.model.ctc_log_probs(rows)
        self.prefixes.advance(log_probs, lengths.tolist())
        self.frames += len(encoded)
        self._encoded.append(encoded)
        self._log_probs.append(log_probs[0])
        text = self._loaded.tokenizer.text_of(self.best.tokens)
        if text != (self.shown[-1].text if self.shown else ""):
            self.shown.append(Shown(text, round(heard_s, 3)))

    @property
    def wanted(self) -> int:
        """Feature frames that complete the next chunk."""
        return SUBSAMPLING * (self.frames + self._chunk.size) + BEYOND - self._given

    @property
    def best(self) -> CtcHypothesis:
        """The likeliest text so far."""
        return self.prefixes.best(1)[0][0]

    @property
    def encoded(self) -> Tensor:
        """(T, D) all encoder frames."""
        width = self._loaded.model.config.d_model
        return torch.cat(self._encoded) if self._encoded else torch.empty(0, width, device=self._loaded.device)

    @property
    def log_probs(self) -> Tensor:
        """(T, V) of the CTC head."""
        return torch.cat(self._log_probs) if self._log_probs else torch.empty(0, self._loaded.model.odim)


class Judge(Protocol):
    """Makes results of first passes: the recogniser."""

    def so_far(self, speech: Speech, first: FirstPass) -> AsrResult:
        """The text of a first pass that goes on."""

    def at_the_end(self, speech: Speech, first: FirstPass) -> AsrResult:
        """The final result of one that has ended."""


class AedStream:
    """A `RecognitionStream` of the attention encoder-decoder.

    Args:
        judge: the recogniser.
        first: the first pass, before its first frame.
        front_end: of the features.
        context: of the utterance.
        key: its id.
    """

    def __init__(self, judge: Judge, first: FirstPass, front_end: FrontEnd, context: Context, key: str) -> None:
        self._judge, self._first, self._front_end = judge, first, front_end
        self._context, self._key = context, key
        self._feats: list[Tensor] = []  # which a guard may want to see

    @property
    def frames(self) -> int:
        """Encoder frames that were decoded so far."""
        return self._first.frames

    @property
    def wanted(self) -> int:
        """Feature frames that complete the next chunk."""
        return self._first.wanted

    def accept(self, feats: Tensor) -> None:
        """Take in the next features (T, bins), not normalised."""
        self._feats.append(feats)
        self._first.accept(feats)

    def result(self) -> AsrResult:
        """The text so far."""
        return self._judge.so_far(self._speech(None), self._first)

    def finish(self, duration_s: float | None = None) -> AsrResult:
        """The final result."""
        speech = self._speech(duration_s)
        self._first.finish(speech.duration_s)
        return self._judge.at_the_end(speech, self._first)

    def _speech(self, duration_s: float | None) -> Speech:
        feats = torch.cat(self._feats) if self._feats else torch.empty(0, self._front_end.bins)
        if duration_s is None:
            duration_s = self._front_end.duration_s(len(feats))
        return Speech(self._key, feats, duration_s, self._context, self._front_end)
