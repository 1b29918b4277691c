"""What every recogniser gives, whatever its family."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from firered.asr.config import RecogniserConfig
from firered.errors import Outcome
from firered.results import AsrResult
from firered.runtime.speech import Speech


class Recogniser(Protocol):
    """A loaded recogniser: what commands and the system call."""

    @property
    def config(self) -> RecogniserConfig:
        """Its options, of its family's class."""

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """A result, or what went wrong, for each utterance, in their order."""
