"""Confidence intervals by resampling utterances (Bisani and Ney, ICASSP 2004)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firered.scoring.config import SampleConfig

LEVEL = 95  # percent
Interval = tuple[float, float]


Statistic = Callable[[np.ndarray], np.ndarray]  # of (samples, K) sums of counts: (samples,); NaN where it has no value


@dataclass(frozen=True)
class Difference:
    """One system's statistic minus another's over the same utterances, with its interval and two-sided p-value."""

    value: float
    interval: Interval
    p: float


def interval(counts: np.ndarray, statistic: Statistic, config: SampleConfig) -> Interval | None:
    """The middle 95% of a statistic over resampled utterances; None where it cannot be had.

    Args:
        counts: (utterances, K) what is counted of each.
        statistic: of sums of counts.
        config: number of resamplings and seed.
    """
    if config.bootstrap == 0 or len(counts) < 2:
        return None
    values = _values(statistic, _resampled(counts, config))
    values = values[np.isfinite(values)]
    return _middle(values) if len(values) else None


def paired_difference(
    first: np.ndarray, second: np.ndarray, statistic: Statistic, config: SampleConfig
) -> Difference | None:
    """The difference of two systems, resampled with the same utterances for both; None where it cannot be had.

    The p-value is twice the share of resamplings in which the difference is not on the side that it is on, or is
    nothing (Efron and Tibshirani, 1993, section 15.4; the share of Bisani and Ney's improvements from its other end).

    Args:
        first: (utterances, K) counts of one system.
        second: (utterances, K) counts of the other, of the same utterances in the same order.
        statistic: of sums of counts of one system.
        config: number of resamplings and seed.
    """
    columns = first.shape[1]
    both = np.concatenate([first, second], axis=1)
    (value,) = _differences(statistic, both.sum(axis=0, keepdims=True), columns)
    if config.bootstrap == 0 or len(both) < 2 or not np.isfinite(value):
        return None
    values = _differences(statistic, _resampled(both, config), columns)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    beyond = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return Difference(float(value), _middle(values), min(1.0, 2 * (beyond + 1) / (len(values) + 1)))


def _differences(statistic: Statistic, sums: np.ndarray, columns: int) -> np.ndarray:
    return _values(statistic, sums[:, :columns]) - _values(statistic, sums[:, columns:])


def _values(statistic: Statistic, sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return statistic(sums)


def _middle(values: np.ndarray) -> Interval:
    low, high = np.percentile(values, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def _resampled(counts: np.ndarray, config: SampleConfig) -> np.ndarray:
    """(samples, K) sums of the counts of utterances that are drawn with replacement."""
    # Utterances with the same counts are interchangeable: it is enough to draw how many of each kind there are.
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    generator = np.random.default_rng(config.seed)
    share = times / len(counts)
    return np.array([generator.multinomial(len(counts), share) @ kinds for _ in range(config.bootstrap)])


def ratio(sums: np.ndarray) -> np.ndarray:
    """First column over second, in percent."""
    return 100 * sums[:, 0] / sums[:, 1]
