"""Augmentation of the audio of training utterances: speed, a room, silence around it, other sounds, a codec."""

import math
from functools import lru_cache

import numpy as np
import soxr

from firered.audio.config import AudioConfig
from firered.audio.effects import can_code, coded, reverberated
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import read_blocks
from firered.audio.rooms import simulated_response
from firered.errors import AudioError, OptionError
from firered.runs.noise import find_noises, scaled_noise, stretch_of
from firered.train.data.config import AugmentConfig
from firered.train.data.draws import AS_IT_IS, Draw, Draws

__all__ = ["AS_IT_IS", "Draw", "Draws", "WaveAugment", "change_speed"]
_RESPONSES = 256  # impulse responses that a process keeps


class WaveAugment:
    """Draws and applies the augmentation that `AugmentConfig` describes.

    Raises:
        DataError: recordings are missing, or the length of one is not known.
        OptionError: a codec is not there.
    """

    def __init__(self, config: AugmentConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        places = {kind: config.noises(kind) for kind in ("noise", "music", "babble")}
        self._noises = {kind: find_noises(place) if place else [] for kind, place in places.items()}
        self._rirs = find_noises(config.rirs) if config.rirs else []
        self._response = lru_cache(_RESPONSES)(self._read_response)
        if config.rooms:
            self._response(len(self._rirs))  # says now, and not in the first batch, that the package is missing
        if missing := [codec for codec in config.codecs.split() if not can_code(codec)]:
            raise OptionError(f"augment.codecs: this system's libsndfile has no {' and no '.join(missing)}")
        self.kept = 2  # epochs whose draws are cached: workers are ahead of the training
        self._draws: dict[int, Draws] = {}

    def draws(self, epoch: int, count: int) -> Draws:
        """The draws of an epoch for `count` utterances; see `kept`."""
        if epoch not in self._draws:
            while len(self._draws) >= self.kept:
                del self._draws[min(self._draws)]
            self._draws[epoch] = Draws(self.config, self.seed, epoch, count)
        return self._draws[epoch]

    def apply(
        self, samples: np.ndarray, draw: Draw, rng: np.random.Generator, told: list[str] | None = None
    ) -> np.ndarray:
        """(n',) the utterance (n,) augmented as drawn; `rng` picks the noise. `told` takes what was done, in words."""
        told = [] if told is None else told
        if draw.speed != 1.0:
            told.append(f"speed {draw.speed:g}")
            samples = change_speed(samples, draw.speed)
        signal = np.zeros_like(samples) if draw.pure_noise else samples
        signal = np.pad(signal, (draw.before, draw.after))
        if draw.before or draw.after:
            told.append(f"silence {draw.before / SAMPLE_RATE:.2f} s before, {draw.after / SAMPLE_RATE:.2f} s after")
        if draw.pure_noise:
            signal, key = self._noise(len(signal), rng)
            told.append(f"only noise {key}")
        else:
            signal = self._surrounded(signal, draw, rng, told)
        if draw.volume != 1.0:
            told.append(f"volume {draw.volume:.3f}")
            signal = signal * np.float32(draw.volume)
        if draw.codec:
            level = f" at level {draw.codec_level:.2f}" if draw.codec in ("mp3", "opus") else ""
            told.append(f"codec {draw.codec}{level}")
            signal = coded(signal, draw.codec, draw.codec_level)
        return signal

    def _surrounded(self, signal: np.ndarray, draw: Draw, rng: np.random.Generator, told: list[str]) -> np.ndarray:
        """The signal, silence around the utterance included, in its room and with all that sounds beside it."""
        if draw.room is not None:
            number = int(draw.room * (len(self._rirs) + self.config.rooms))
            told.append(f"room {self._room_name(number)}")
            signal = reverberated(signal, self._response(number))
        # The ratio is that of the utterance itself: zeros around it must not make the noise fainter.
        speech = signal[draw.before : len(signal) - draw.after]
        added = []
        if not math.isnan(draw.snr_db):
            noise, key = self._noise(len(signal), rng)
            told.append(f"noise {key} at {draw.snr_db:.1f} dB")
            added.append(scaled_noise(speech, noise, draw.snr_db))
        for sound in draw.sounds:
            noise, key = stretch_of(self._noises[sound.kind], sound.which, sound.where, len(signal))
            told.append(f"{sound.kind} {key} at {sound.snr_db:.1f} dB")
            added.append(scaled_noise(speech, noise, sound.snr_db))
        return sum(added, signal)

    def _noise(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """(size,) float32 excerpt of a noise recording drawn at random, repeated where it is too short, and its id."""
        noises = self._noises["noise"]
        which = (int(rng.integers(len(noises))) + 0.5) / len(noises)
        return stretch_of(noises, which, rng.random(), size)

    def _read_response(self, number: int) -> np.ndarray:
        """(m,) an impulse response: of the recordings, then of the simulated rooms."""
        if number >= len(self._rirs):
            return simulated_response(self.seed, number - len(self._rirs))
        recording = self._rirs[number]
        start_s, channel = recording.start_s, recording.channel or 1  # the channels of an array are not to be mixed
        try:
            blocks = read_blocks(recording.audio, AudioConfig(), channel=channel, start_s=start_s,
                                 end_s=start_s + recording.duration_s)  # fmt: skip
            return np.concatenate(list(blocks))
        except AudioError as error:
            raise AudioError(f"impulse response {recording.key}: {error}") from error

    def _room_name(self, number: int) -> str:
        return self._rirs[number].key if number < len(self._rirs) else f"simulated {number - len(self._rirs)}"


def change_speed(samples: np.ndarray, speed: float) -> np.ndarray:
    """The signal played faster (above 1) or slower, pitch included, as sox's `speed`."""
    return soxr.resample(samples.astype(np.float32), SAMPLE_RATE * speed, SAMPLE_RATE)
