"""The segment that is being spoken: `OpenSegment`."""

from dataclasses import dataclass

from firered.errors import Outcome
from firered.live.stable import Stable
from firered.results import AsrResult, LidResult


@dataclass
class OpenSegment:
    """The segment that is being spoken. Frames are counted over the stream."""

    number: int
    start: int
    stable: Stable
    passed: int  # the frame up to which it was recognised last
    spoke: bool = True  # whether there was speech since
    lid: Outcome[LidResult] | None = None
    lid_done: bool = False
    late: bool = False  # whether chunks of it wait
    said: AsrResult | None = None  # by the last pass
    rest: Stable | None = None  # stable text that belongs to the next segment, where this one was cut

    @property
    def lang(self) -> str | None:
        """Its language, as far as it is known."""
        if isinstance(self.lid, LidResult):
            return self.lid.lang
        return self.said.lang if self.said else None
