"""What was replaced in a recognised text."""

from dataclasses import dataclass

from firered.results.plain import Result


@dataclass(frozen=True)
class Replacement(Result):
    """The stretch [start, end) of the text as it was recognised, in characters, and what stands there now.

    `score` is 1 where it was replaced as it is written, else how much the two sound alike, at most 1.
    """

    start: int
    end: int
    original: str
    replacement: str
    score: float
