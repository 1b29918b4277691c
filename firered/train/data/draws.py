"""What is drawn for the audio of training utterances: by seed, epoch and number of the utterance, and nothing else."""

import math
from dataclasses import dataclass

import numpy as np

from firered.audio.framing import FRAME_SHIFT, SAMPLE_RATE
from firered.train.data.config import AugmentConfig

# Each kind of augmentation has random numbers of its own: switching one on changes no other.
_ROOM, _MUSIC, _BABBLE, _VOLUME, _CODEC, _RATIO = range(1, 7)


@dataclass(frozen=True)
class Sound:
    """A recording that is added: `which` of those of its kind and `where` in it, both from 0 to 1."""

    kind: str  # music or babble
    which: float
    where: float
    snr_db: float


@dataclass(frozen=True)
class Draw:
    """The augmentation of one utterance in one epoch."""

    speed: float = 1.0
    before: int = 0  # zeros in samples
    after: int = 0
    snr_db: float = math.nan  # NaN: no noise
    pure_noise: bool = False
    room: float | None = None  # which, from 0 to 1
    sounds: tuple[Sound, ...] = ()
    volume: float = 1.0
    codec: str = ""
    codec_level: float = 0.0

    def moved(self, time_s: float) -> float:
        """The time after augmentation, in seconds, of a time of the utterance."""
        return time_s / self.speed + self.before / SAMPLE_RATE


AS_IT_IS = Draw()


class Draws:
    """The draws of all utterances of an epoch, by index."""

    def __init__(self, config: AugmentConfig, seed: int, epoch: int, count: int) -> None:
        self._config, self._seed, self._epoch = config, seed, epoch
        rng = np.random.default_rng([seed, epoch])
        self.speed = rng.choice(config.speed_factors(), count)
        padded = rng.random(count) < config.pad_prob
        zeros = rng.integers(0, round(config.pad_seconds * SAMPLE_RATE) + 1, (2, count))
        self.before, self.after = np.where(padded, zeros, 0)
        noisy = (rng.random(count) < config.noise_prob) | padded
        snr = rng.normal(config.snr_mean, config.snr_std, count)
        self.pure_noise = rng.random(count) < config.pure_noise_prob
        if ratios := config.range_of("noise_snr"):
            snr = np.random.default_rng([seed, epoch, 0, _RATIO]).uniform(*ratios, count)
        self.snr_db = np.where(noisy & bool(config.noises()), snr, np.nan)

    def __getitem__(self, index: int) -> Draw:
        """The draw of one utterance."""
        codec, level = self._codec(index)
        return Draw(
            float(self.speed[index]),
            int(self.before[index]),
            int(self.after[index]),
            float(self.snr_db[index]),
            bool(self.pure_noise[index]),
            self._room(index),
            self._sounds(index),
            self._volume(index),
            codec,
            level,
        )

    def frames(self, frames: np.ndarray) -> np.ndarray:
        """(n,) numbers of frames after augmentation, of those before."""
        return np.ceil(frames / self.speed + (self.before + self.after) / FRAME_SHIFT).astype(np.int64)

    def _chance(self, index: int, kind: int, probability: float) -> np.random.Generator | None:
        """The random numbers of a kind for an utterance; None where it is not for this one."""
        if not probability:
            return None
        rng = np.random.default_rng([self._seed, self._epoch, index, kind])
        return rng if rng.random() < probability else None

    def _room(self, index: int) -> float | None:
        config = self._config
        rng = self._chance(index, _ROOM, config.rir_prob if config.rirs or config.rooms else 0.0)
        return rng.random() if rng else None

    def _sounds(self, index: int) -> tuple[Sound, ...]:
        found = []
        for kind, number in (("music", _MUSIC), ("babble", _BABBLE)):
            config, ratios = self._config, self._config.range_of(f"{kind}_snr")
            there = bool(config.noises(kind)) and ratios is not None
            if rng := self._chance(index, number, getattr(config, f"{kind}_prob") if there else 0.0):
                few, many = config.range_of("babble_speakers") or (1, 1)
                voices = int(rng.integers(int(few), int(many) + 1)) if kind == "babble" else 1
                for _ in range(voices):
                    which, where = rng.random(2).tolist()
                    found.append(Sound(kind, which, where, float(rng.uniform(*ratios or (0, 0)))))
        return tuple(found)

    def _volume(self, index: int) -> float:
        factors = self._config.range_of("volume")
        rng = self._chance(index, _VOLUME, self._config.volume_prob) if factors else None
        return float(rng.uniform(*factors)) if rng and factors else 1.0

    def _codec(self, index: int) -> tuple[str, float]:
        codecs = self._config.codecs.split()
        if not (codecs and (rng := self._chance(index, _CODEC, self._config.codec_prob))):
            return "", 0.0
        return codecs[int(rng.integers(len(codecs)))], float(rng.random())
