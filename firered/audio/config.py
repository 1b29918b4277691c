"""How recordings are read."""

import math
from dataclasses import dataclass

from firered.data.utterance import MAX_OVERSHOOT_S
from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class AudioConfig(Options):
    """How recordings are read."""

    channel: str = option(
        "mix",
        "of several channels: 'mix' averages them, a number takes that one (from 1), 'each' makes every one "
        "a separate recording (<id>-A, <id>-B, ...)",
    )
    pipes: bool = option(True, "run the commands of wav.scp lines that end in '|'; --no-pipes refuses them")
    allow_truncated: bool = option(
        False, "take what is there of a file that is cut short, and of a segment that it has no end of, with a warning"
    )
    max_overshoot: float = option(
        MAX_OVERSHOOT_S,
        "seconds that a segment, or its range of rows in feats.scp, may end after its recording: it is cut there, with "
        "a warning",
        low=0.0,
    )

    ffmpeg_seconds: float = option(
        0.0, "how long ffmpeg may take over a recording, which is a failure then; 0: as long as it takes", low=0.0
    )

    @property
    def overshoot_s(self) -> float:
        """Seconds that a segment may end after its recording."""
        return math.inf if self.allow_truncated else self.max_overshoot

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel not in ("mix", "each") and not (self.channel.isdecimal() and int(self.channel) > 0):
            raise OptionError(f"channel: {self.channel!r} is not 'mix', 'each' or a number from 1")
