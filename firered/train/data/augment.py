"""Augmentation of the audio of training utterances: speed perturbation, silence around it, noise."""

import math
from dataclasses import dataclass

import numpy as np
import soxr

from firered.audio.framing import FRAME_SHIFT, SAMPLE_RATE
from firered.runs.noise import find_noises, scaled_noise
from firered.train.data.config import AugmentConfig


@dataclass(frozen=True)
class Draw:
    """The augmentation of one utterance in one epoch."""

    speed: float = 1.0
    before: int = 0  # zeros in samples
    after: int = 0
    snr_db: float = math.nan  # NaN: no noise
    pure_noise: bool = False

    def moved(self, time_s: float) -> float:
        """The time after augmentation, in seconds, of a time of the utterance."""
        return time_s / self.speed + self.before / SAMPLE_RATE


AS_IT_IS = Draw()


class Draws:
    """The draws of all utterances of an epoch, by index."""

    def __init__(self, config: AugmentConfig, seed: int, epoch: int, count: int) -> None:
        rng = np.random.default_rng([seed, epoch])
        self.speed = rng.choice(config.speed_factors(), count)
        padded = rng.random(count) < config.pad_prob
        zeros = rng.integers(0, round(config.pad_seconds * SAMPLE_RATE) + 1, (2, count))
        self.before, self.after = np.where(padded, zeros, 0)
        noisy = (rng.random(count) < config.noise_prob) | padded
        snr = rng.normal(config.snr_mean, config.snr_std, count)
        self.pure_noise = rng.random(count) < config.pure_noise_prob
        self.snr_db = np.where(noisy & bool(config.noise), snr, np.nan)

    def __getitem__(self, index: int) -> Draw:
        """The draw of one utterance."""
        return Draw(
            float(self.speed[index]),
            int(self.before[index]),
            int(self.after[index]),
            float(self.snr_db[index]),
            bool(self.pure_noise[index]),
        )

    def frames(self, frames: np.ndarray) -> np.ndarray:
        """(n,) numbers of frames after augmentation, of those before."""
        return np.ceil(frames / self.speed + (self.before + self.after) / FRAME_SHIFT).astype(np.int64)


class WaveAugment:
    """Draws and applies the augmentation that `AugmentConfig` describes.

    Raises:
        DataError: `noise` has no recordings, or the length of one is not known.
    """

    def __init__(self, config: AugmentConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self._noises = find_noises(config.noise) if config.noise else []
        self._epoch = -1
        self._draws: Draws | None = None

    def draws(self, epoch: int, count: int) -> Draws:
        """The draws of an epoch for `count` utterances, cached until another epoch is requested."""
        if self._draws is None or self._epoch != epoch:
            self._epoch, self._draws = epoch, Draws(self.config, self.seed, epoch, count)
        return self._draws

    def apply(self, samples: np.ndarray, draw: Draw, rng: np.random.Generator) -> np.ndarray:
        """(n',) the utterance (n,) augmented as drawn; `rng` picks the noise."""
        if draw.speed != 1.0:
            samples = change_speed(samples, draw.speed)
        signal = np.zeros_like(samples) if draw.pure_noise else samples
        signal = np.pad(signal, (draw.before, draw.after))
        if draw.pure_noise:
            return self._noise(len(signal), rng)
        if math.isnan(draw.snr_db):
            return signal
        # The ratio is that of the utterance itself: zeros around it must not make the noise fainter.
        return signal + scaled_noise(samples, self._noise(len(signal), rng), draw.snr_db)

    def _noise(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """(size,) float32 excerpt of a noise recording drawn at random, repeated where it is too short."""
        noise = self._noises[int(rng.integers(len(self._noises)))]
        return noise.excerpt(size, rng.random() * noise.last_offset_s(size))


def change_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    """The signal played faster (above 1) or slower, pitch included, as sox's `speed`."""
    return soxr.resample(samples.astype(np.float32), SAMPLE_RATE * speed, SAMPLE_RATE)
