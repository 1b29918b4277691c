"""Interfaces of recognisers and encoders of any family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from firered.asr.config import RecogniserConfig
from firered.asr.drafting import Drafting
from firered.audio.frontend import FrontEnd
from firered.errors import Outcome
from firered.hotwords.lists import HotwordList
from firered.results import AsrResult
from firered.runtime.context import Context
from firered.runtime.speech import Speech


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of an utterance: (T, D) float32 rows, seconds from row to row, and the utterance's own."""

    uttid: str
    feats: Tensor
    frame_shift_s: float
    dur_s: float


class Encoder(Protocol):
    """A loaded encoder: what firered-encode calls."""

    @property
    def config(self) -> RecogniserConfig:
        """Its options, of its family's class."""

    @property
    def front_end(self) -> FrontEnd:
        """The features that it takes."""

    @property
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""

    def encode(self, audio: list[Speech], *, layer: int | None = None, adapter: bool = False) -> list[Outcome[Encoded]]:
        """The output of the encoder, or of one of its layers or its adapter, for each utterance.

        Raises:
            OptionError: there is no such layer, or no adapter.
            ModelError: this kind of recogniser does not give it.
        """


class Recogniser(Encoder, Protocol):
    """A loaded recogniser: what commands and the system call."""

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""

    @property
    def punctuates(self) -> bool:
        """Whether its text has punctuation, so that a punctuation model has nothing to do."""

    @property
    def drafting(self) -> Drafting:
        """Its searches, with drafts where it has any."""

    def unwritable(self, hotwords: HotwordList) -> Mapping[str, str]:
        """The entries of a list that its search cannot write, and the characters that it has no tokens for."""

    @property
    def takes_history(self) -> bool:
        """Whether it makes use of what was said before an utterance."""

    @property
    def uses(self) -> Sequence[str]:
        """The fields of a context that it makes use of, where they are given."""

    def check(self, context: Context) -> None:
        """Raise OptionError where the model cannot do what a context asks for, such as a language it does not know."""

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """A result, or what went wrong, for each utterance, in their order."""
