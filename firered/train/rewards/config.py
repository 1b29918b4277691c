"""Options of rewards: the section `rewards` of a training's YAML file."""

import math
from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option

PUBLISHED = ("accuracy", "keywords", "hallucination", "language")


@dataclass(frozen=True)
class RewardConfig(Options):
    """Weights of the rewards, which are summed; 0 leaves one out."""

    accuracy: float = option(1.0, "weight of max(0, 1 - error rate), by firered-score's rule", low=0)
    keywords: float = option(
        1.0, "weight of the mean of recall and precision of the utterance's own `keywords` (0 where it has none)", low=0
    )
    hallucination: float = option(
        1.0, "weight of the penalty for invented text, from 0 to -1: its share of the text's length", low=0
    )
    language: float = option(
        1.0, "where the text is in another script than the reference, the reward is minus this, not the sum", low=0
    )
    more: str = option(
        "",
        "further rewards by their names as entry points (group firered.rewards) of installed packages, `name` or "
        "`name=weight`",
    )
    patterns: str = option(
        "", "file of further patterns of invented text: a language or *, a tab, a regular expression on each line"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(self.weights().values()):
            raise OptionError("rewards: every weight is 0: there is nothing to learn")

    def weights(self) -> dict[str, float]:
        """The weight of each reward by its name."""
        weights = {name: getattr(self, name) for name in PUBLISHED}
        for entry in self.more.split():
            name, equals, value = entry.partition("=")
            try:
                weight = float(value) if equals else 1.0
            except ValueError:
                weight = math.nan
            if name in weights or not name or not math.isfinite(weight):
                raise OptionError(f"more: {entry!r}: needed is the new name of a reward, or name=weight")
            weights[name] = weight
        return weights
