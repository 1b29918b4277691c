"""What became of a hotword in an utterance."""

from collections.abc import Sequence
from dataclasses import dataclass

from firered.results.plain import Result


@dataclass(frozen=True)
class Hotword(Result):
    """An entry of the utterance's list that is in its text, or that the recogniser was told to expect.

    `used` says how it was told: in the graph of the search, in the prompt, or by correction of its text. `score` is how
    likely it was said by the sound of the text, at most 1; None where the whole list was given without a look. `start`
    and `end` are its place in the text, in characters, None where it is not there; `original` is what it replaced.
    """

    text: str
    used: Sequence[str]
    score: float | None = None
    start: int | None = None
    end: int | None = None
    original: str | None = None
