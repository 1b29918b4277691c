"""Errors that the user can correct: every message says where, what, and what to do."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")

# The outcome of one item of a batch: its result, or the error that ended it while the others continued.
Outcome: TypeAlias = T | Exception


class FireRedError(Exception):
    """A mistake in input, options or environment; commands print its message without a traceback."""


class DataError(FireRedError):
    """A Kaldi table or data directory that cannot be used as it is."""


class AudioError(FireRedError):
    """A recording that cannot be read, or holds nothing that can be analysed."""


class SilentError(AudioError):
    """A recording whose every sample is zero."""


class ModelError(FireRedError):
    """A model directory or checkpoint that is incomplete, of another kind, or not safe to load."""


class NoNumbersError(ModelError):
    """A model gave NaN where numbers belong."""

    def __init__(self) -> None:
        super().__init__(
            "the model gives NaN here: its weights are damaged or too large for the number format, or the audio holds "
            "samples that are no numbers"
        )


class OptionError(FireRedError):
    """An option whose value cannot be used."""


@contextlib.contextmanager
def writing(what: object) -> Iterator[None]:
    """The block in which `what` is written: errors of the system, such as a full disk, are FireRedErrors naming it."""
    try:
        yield
    except OSError as error:
        raise FireRedError(f"{what}: cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True)
class Problem:
    """One item of a batch that failed while the others continued.

    `key` is the recording or utterance id, or `file:line` where a line gave none; `reason` says what is wrong.
    """

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key} {self.reason}"


def result_of(outcome: Outcome[T]) -> T:
    """The result of an outcome; raises its error where there is none."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
