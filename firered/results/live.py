"""What live recognition gives while it listens: `Event`, `Partial`, `Final`.

All times are seconds on the stream's axis. `known_s` is where the stream was when a result could be known, whatever
pieces it came in; `heard_s` is how much had been received when it was given, which depends on the pieces and does not
count when results are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from firered.results import Sentence, Trouble, Word
from firered.results.plain import Result


@dataclass(frozen=True)
class Event(Result):
    """`speech_start` or `speech_end` of a segment, or `trouble`: what failed in it, the stream goes on.

    `time_s` is the segment's start or end, of a trouble where it was noticed.
    """

    kind: str
    segment: int
    time_s: float
    known_s: float
    heard_s: float = field(compare=False)
    reason: str = ""


@dataclass(frozen=True)
class Partial(Result):
    """The text so far of the segment that is still open, which was heard up to `end_s`.

    `stable` begins with the `stable` of the partial before and is not taken back before the final; `unstable` may
    change. The text is the one followed by the other, as they are.
    """

    segment: int
    start_s: float
    end_s: float
    stable: str
    unstable: str
    lang: str | None
    known_s: float
    heard_s: float = field(compare=False)

    @property
    def text(self) -> str:
        """All of it."""
        return self.stable + self.unstable


@dataclass(frozen=True)
class Final(Result):
    """The text of a closed segment, with punctuation; `words` are as they were recognised.

    `revised` is what stood in the stable text and what stands in its place now, None where nothing of it has
    changed. `cut` says that the segment had its greatest length and that the speech goes on in the next one. `troubles`
    are as in a transcript: what failed or is in doubt.
    """

    segment: int
    start_s: float
    end_s: float
    text: str
    words: Sequence[Word]
    sentences: Sequence[Sentence]
    lang: str | None
    confidence: float
    hotwords: Sequence[str]
    revised: tuple[str, str] | None
    known_s: float
    heard_s: float = field(compare=False)
    cut: bool = False
    troubles: Sequence[Trouble] = ()


LiveResult: TypeAlias = Partial | Final | Event
