"""Recordings of noise, and noise mixed with speech at a signal-to-noise ratio: in training, and for test sets."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import read_blocks
from firered.errors import AudioError, DataError
from firered.runs.inputs import resolve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Noise:
    """A recording of noise, or the stretch of one that is a segment."""

    key: str
    audio: str | Path
    channel: int | None
    start_s: float
    duration_s: float

    def excerpt(self, size: int, offset_s: float) -> np.ndarray:
        """(size,) float32 from this offset on, on the int16 scale, repeated where the noise is too short.

        Raises:
            AudioError: it cannot be read, or is all zeros there.
        """
        start, wanted_s = self.start_s + offset_s, size / SAMPLE_RATE
        try:
            blocks = read_blocks(
                self.audio, AudioConfig(), channel=self.channel, start_s=start, end_s=start + wanted_s + 0.1
            )
            return np.resize(np.concatenate(list(blocks)), size).astype(np.float32)
        except AudioError as error:
            raise AudioError(f"noise {self.key}: {error}") from error

    def last_offset_s(self, size: int) -> float:
        """The last offset from which an excerpt of so many samples is no repetition; 0 where the noise is too short."""
        return max(0.0, self.duration_s - size / SAMPLE_RATE)


def find_noises(path: str) -> list[Noise]:
    """The recordings of a data directory, a wav.scp or a folder, sorted by id; one that cannot be used is warned of.

    Raises:
        DataError: there are none, or the length of one is not known.
    """
    found = resolve([path], AudioConfig(), by_segment=True)
    noises = []
    for recording in found.utterances:
        segmented = math.isfinite(recording.end_s)
        known = recording.end_s - recording.start_s if segmented else recording.duration_s
        if not math.isfinite(known):
            raise DataError(f"noise {recording.id}: its length is not known; give {path}/reco2dur")
        noises.append(Noise(recording.id, recording.audio, recording.channel, recording.start_s, known))
    for problem in found.problems:
        log.warning("noise skipped: %s", problem)
    if not noises:
        raise DataError(f"{path}: no noise recordings here")
    return noises


def scaled_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Noise scaled so that the mean power of the speech is `snr_db` above its own."""
    speech_power = float(np.mean(np.square(speech, dtype=np.float64)))
    noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
    if noise_power == 0.0:
        return noise
    return noise * np.float32(math.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10)))
