"""Confidence intervals by resampling utterances (Bisani and Ney, ICASSP 2004)."""

from collections.abc import Callable

import numpy as np

from firered.scoring.config import SampleConfig

LEVEL = 95  # percent
Interval = tuple[float, float]


def interval(
    counts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], config: SampleConfig
) -> Interval | None:
    """The middle 95% of a statistic over resampled utterances; None where it cannot be had.

    Args:
        counts: (utterances, K) what is counted of each.
        statistic: of sums of counts: (samples, K) -> (samples,); NaN where it has no value.
        config: number of resamplings and seed.
    """
    if config.bootstrap == 0 or len(counts) < 2:
        return None
    # Utterances with the same counts are interchangeable: it is enough to draw how many of each kind there are.
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    generator = np.random.default_rng(config.seed)
    share = times / len(counts)
    sums = np.array([generator.multinomial(len(counts), share) @ kinds for _ in range(config.bootstrap)])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(sums)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def ratio(sums: np.ndarray) -> np.ndarray:
    """First column over second, in percent."""
    return 100 * sums[:, 0] / sums[:, 1]
