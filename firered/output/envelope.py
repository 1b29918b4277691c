"""The envelope of a waveform: lowest and highest sample of short stretches."""

import numpy as np

from firered.audio.frontend import SAMPLE_RATE


class Envelope:
    """Lowest and highest sample of short stretches, kept instead of the samples of hours-long recordings."""

    STRETCH_S = 0.01
    _STRETCH = int(STRETCH_S * SAMPLE_RATE)  # samples

    def __init__(self) -> None:
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: np.ndarray) -> None:
        """Take in a piece of the signal (n,)."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // self._STRETCH * self._STRETCH
        rows = samples[:whole].reshape(-1, self._STRETCH)
        self._low.append(rows.min(1))
        self._high.append(rows.max(1))
        self._rest = samples[whole:]

    def curve(self, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times in seconds, lowest and highest value, at no more than `points` places."""
        low, high = np.concatenate(self._low), np.concatenate(self._high)
        step = -(-len(low) // points)
        starts = np.arange(0, len(low), step)
        times = starts * self.STRETCH_S
        return times, np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
