"""What a reward is given, and the first of the published ones: accuracy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import Counts, align_texts
from firered.scoring.text.normalise import Normalizer, normalizer


@dataclass(frozen=True)
class Wanted:
    """What is known of an utterance.

    Attributes:
        text: the reference transcript.
        language: code of its language as firered-score knows it, empty where nothing is known.
        keywords: words and phrases that matter, whether or not a prompt names them.
    """

    text: str
    language: str = ""
    keywords: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Rollout:
    """What the model wrote for an utterance; one that is not finished was cut off at its limit."""

    text: str
    finished: bool = True


Reward = Callable[[Rollout, Wanted], float]


@cache
def rule() -> Normalizer:
    """The rule by which texts are compared: the one of firered-score."""
    return normalizer(NormalizerConfig())


def errors_of(rollout: Rollout, wanted: Wanted) -> Counts:
    """Substitutions, deletions and insertions, by firered-score's rule."""
    texts = {"": wanted.text}, {"": rollout.text}
    return align_texts(*texts, rule(), {"": wanted.language})[0].counts


def accuracy(rollout: Rollout, wanted: Wanted) -> float:
    """max(0, 1 - error rate), 0 to 1; of an empty reference, 1 for no text and 0 for any (R1 of the report)."""
    counts = errors_of(rollout, wanted)
    if not counts.tokens:
        return float(not counts.errors)
    return max(0.0, 1.0 - counts.errors / counts.tokens)
