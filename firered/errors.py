"""What can go wrong and be mended by the user: every message says where, what, and what to do."""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")

# What a piece of work of a batch gave: its result, or the error that ended it while the rest went on.
Outcome: TypeAlias = T | Exception


class FireRedError(Exception):
    """A mistake in input, options or environment; commands print its message without a traceback."""


class DataError(FireRedError):
    """A Kaldi table or data directory that cannot be used as it is."""


class AudioError(FireRedError):
    """A recording that cannot be read, or holds nothing that can be analysed."""


class ModelError(FireRedError):
    """A model directory or checkpoint that is incomplete, of another kind, or not safe to load."""


class OptionError(FireRedError):
    """An option whose value cannot be used."""


@dataclass(frozen=True)
class Problem:
    """One thing of a batch that could not be done, while the rest went on.

    `key` is the recording or utterance id, or `file:line` where a line gave none; `reason` says what is wrong.
    """

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.key} {self.reason}"


def result_of(outcome: Outcome[T]) -> T:
    """The result of a piece of work; raises the error where there is none."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
