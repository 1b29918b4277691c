"""Several channels as one: their mean, or one of them; and whether they cancel each other in the mean."""

import logging
import math
from collections.abc import Iterable, Iterator

import numpy as np

log = logging.getLogger(__name__)

CANCELLED_DB = 10.0  # so far below what unrelated channels would give, their mean has lost the speech


def mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """(n,) one channel (from 1) of (n, channels), or their mean; a single channel is returned as it is."""
    if block.shape[1] == 1:
        return block[:, 0]
    return block.mean(1) if channel is None else np.ascontiguousarray(block[:, channel - 1])


class Mixed:
    """Iterates over blocks (n,) of one channel (from 1) of blocks (n, channels), or of their mean where that is None.

    The mean of channels that have nothing to do with each other has the power of each over the square of their number,
    summed. Much less is there only where one channel is the inverse of another, which is warned of at the end.

    Args:
        name: of the recording, for the warning.
        blocks: of all channels.
        channel: which one is taken.
    """

    def __init__(self, name: str, blocks: Iterable[np.ndarray], channel: int | None) -> None:
        self._name, self._blocks, self._channel = name, blocks, channel
        self._power = self._expected = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            mean = mono(block, self._channel)
            if self._channel is None and block.shape[1] > 1:
                with np.errstate(over="ignore", invalid="ignore"):  # what is no number is refused further on
                    self._power += float(np.square(mean, dtype=np.float64).sum())
                    self._expected += float(np.square(block, dtype=np.float64).sum()) / block.shape[1] ** 2
            yield mean
        if self.cancelled and self._power:
            log.warning("%s: %s", self._name, self.complaint())

    @property
    def cancelled(self) -> bool:
        """Whether so little is left of the channels that they must be opposite."""
        return self._expected > 0 and self._power <= self._expected * 10 ** (-CANCELLED_DB / 10)

    def complaint(self) -> str:
        """What has happened to the channels, and what to do."""
        much = "their mean is zero"
        if self._power:
            much = f"their mean is {10 * math.log10(self._expected / self._power):.0f} dB too low"
        return f"the channels cancel each other ({much}, one is the inverse of another); take one with --channel"
