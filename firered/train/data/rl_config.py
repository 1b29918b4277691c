"""Options of firered-rl-data."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class PromptConfig(Options):
    """Which utterances are chosen (FunAudio-ASR report, section 4.4.3)."""

    other: tuple[str, ...] = option(
        (), "what another system makes of DATA: a file or directory with `text` (repeat it for more)"
    )
    each: int = option(20000, "utterances chosen for each of the five reasons, at most", low=1)
    agree: float = option(5.0, "hard: the other systems' error rates against each other are below this, in percent",
                          low=0)  # fmt: skip
    differ: float = option(10.0, "hard: and those of OURS against each of them are above this", low=0)
    long_seconds: float = option(20.0, "long: utterances of more seconds", low=0)
    too_long: float = option(
        1.5, "hallucination: OURS has more than so many times the tokens of the reference, and 3 more", low=1
    )
    keywords: str = option("", "keywords: a list of words and phrases, one a line, beside the table `keywords` of DATA")
    seed: int = option(1, "of the order in which utterances are chosen", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.other)) < len(self.other):
            raise OptionError(f"other: {' '.join(self.other)}: the same system twice always agrees with itself")
