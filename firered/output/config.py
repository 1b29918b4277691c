"""Options of the output formats."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class SubtitleConfig(Options):
    """How sentences become subtitles."""

    max_line_width: int = option(
        42,
        "columns of a line of subtitles: 2 a Chinese, Japanese or Korean character, 1 any other; 0: no limit",
        low=0,
    )
    max_line_count: int = option(2, "lines of a subtitle", low=1)
    max_cue_seconds: float = option(
        7.0,
        "how long a subtitle is shown at most; sentences that last longer, or do not fit the lines, become several; "
        "0: no limit",
        low=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_line_width == 1:
            raise OptionError("max_line_width: 1 is less than the 2 columns of a Chinese character")
