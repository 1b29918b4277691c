"""How far confidences are from the share that is right (Guo et al., ICML 2017)."""

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Bins of equal width: of each the weight, the mean confidence and the share that is right (NaN where empty)."""

    weights: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: |confidence - share right|, averaged over everything weighed."""
        used = self.weights > 0
        gaps = np.abs(self.confidences - self.accuracies)[used]
        return float(np.average(gaps, weights=self.weights[used]))

    def to_json(self) -> dict:
        """The error and the bins that are used."""
        edges = np.linspace(0, 1, len(self.weights) + 1).round(6)
        rows = zip(edges, edges[1:], self.weights, self.confidences, self.accuracies, strict=False)
        names = ("from", "to", "weight", "confidence", "accuracy")
        bins = [dict(zip(names, map(float, row), strict=True)) for row in rows if row[2] > 0]
        return {"expected_calibration_error": self.error, "bins": bins}


def calibrate(confidences: np.ndarray, right: np.ndarray, weights: np.ndarray) -> Calibration | None:
    """The calibration of (N,) confidences in [0, 1]; None where nothing weighs anything.

    Args:
        confidences: of each utterance.
        right: how much of each is right, from 0 to its weight.
        weights: number of tokens of each, or ones.
    """
    if not weights.sum():
        return None
    bins = np.clip((confidences * BINS).astype(int), 0, BINS - 1)
    weight, hits, certain = (np.bincount(bins, values, BINS) for values in (weights, right, confidences * weights))
    with np.errstate(invalid="ignore"):
        return Calibration(weight, certain / weight, hits / weight)
