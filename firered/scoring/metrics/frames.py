"""Scores of a two-class decision frame by frame: counts, rates, and the curve over all thresholds."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firered.audio.framing import FRAME_SHIFT_S
from firered.scoring.metrics.error_rate import percent

FRAMES_PER_S = round(1 / FRAME_SHIFT_S)


@dataclass(frozen=True)
class FrameCounts:
    """Frames that are speech or not, and were taken for it or not."""

    hits: int = 0
    false_alarms: int = 0
    misses: int = 0
    rejections: int = 0

    @classmethod
    def of(cls, speech: np.ndarray, decided: np.ndarray) -> "FrameCounts":
        """Counts of (T,) booleans: what is right, and what was decided."""
        hits = int(np.count_nonzero(speech & decided))
        false_alarms = int(np.count_nonzero(decided)) - hits
        misses = int(np.count_nonzero(speech)) - hits
        return cls(hits, false_alarms, misses, len(speech) - hits - false_alarms - misses)

    def row(self) -> tuple[int, int, int, int]:
        """The four counts."""
        return self.hits, self.false_alarms, self.misses, self.rejections

    @property
    def rates(self) -> dict[str, float | None]:
        """F1 of speech, false alarms among frames without speech, misses among frames with it, in percent."""
        return {
            "F1%": percent(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses),
            "FAR%": percent(self.false_alarms, self.false_alarms + self.rejections),
            "MR%": percent(self.misses, self.hits + self.misses),
        }


def resampled_rate(name: str, sums: np.ndarray) -> np.ndarray:
    """The rate of that name in `FrameCounts.rates`, of (samples, 4) counts."""
    hits, false_alarms, misses, rejections = sums.T
    rates = {
        "F1%": 200 * hits / (2 * hits + false_alarms + misses),
        "FAR%": 100 * false_alarms / (false_alarms + rejections),
        "MR%": 100 * misses / (hits + misses),
    }
    return rates[name]


@dataclass(frozen=True)
class Roc:
    """The decisions `score >= threshold` for every threshold that matters, from none to all.

    `hits` and `false_alarms` are (K,) counts for the (K,) falling `thresholds`; the last one of each is of all frames.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    false_alarms: np.ndarray

    @classmethod
    def of(cls, speech: np.ndarray, scores: np.ndarray) -> "Roc":
        """The curve of (T,) booleans and the (T,) scores for them, T at least 1."""
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # of each run of equal scores
        hits = np.cumsum(speech[order])[last]
        return cls(falling[last], hits, last + 1 - hits)

    @cached_property
    def auc(self) -> float | None:
        """Area under the curve in percent, equal scores counted half; None where one of the classes has no frames."""
        if not (self.hits[-1] and self.false_alarms[-1]):
            return None
        hits, steps = np.append(0, self.hits), np.diff(self.false_alarms, prepend=0)
        area = float(np.sum(steps * (hits[1:] + hits[:-1]))) / 2
        return 100 * area / (float(self.hits[-1]) * float(self.false_alarms[-1]))

    def best(self) -> tuple[float, float]:
        """The threshold with the highest F1, and that F1 in percent; of scores with speech among them."""
        f1 = 200 * self.hits / (self.hits + self.false_alarms + self.hits[-1])
        place = int(np.argmax(f1))
        return float(self.thresholds[place]), float(f1[place])

    def at(self, threshold: float) -> FrameCounts:
        """The counts at one threshold."""
        lowest = np.asarray(threshold, self.thresholds.dtype)  # compared as a detector compares its posteriors
        place = int(np.searchsorted(-self.thresholds, -lowest, side="right")) - 1
        hits = int(self.hits[place]) if place >= 0 else 0
        false_alarms = int(self.false_alarms[place]) if place >= 0 else 0
        return FrameCounts(hits, false_alarms, int(self.hits[-1]) - hits, int(self.false_alarms[-1]) - false_alarms)
