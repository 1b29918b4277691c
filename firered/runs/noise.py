"""Recordings of noise, and noise mixed with speech at a signal-to-noise ratio: in training, and for data sets."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.effects import looped
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read_blocks
from firered.data.atomic import replacing
from firered.errors import AudioError, DataError, SilentError
from firered.runs.inputs import resolve

log = logging.getLogger(__name__)

_PEAK = INT16_SCALE - 1
_TRIES = 5  # offsets that are drawn until the noise is not all zeros there


@dataclass(frozen=True)
class Noise:
    """A recording of noise, or the stretch of one that is a segment."""

    key: str
    audio: str | Path
    channel: int | None
    start_s: float
    duration_s: float

    def excerpt(self, size: int, offset_s: float) -> np.ndarray:
        """(size,) float32 from this offset on, on the int16 scale; see `looped` for a noise that is too short.

        Raises:
            AudioError: it cannot be read; SilentError: it is all zeros there.
        """
        start, wanted_s = self.start_s + offset_s, size / SAMPLE_RATE
        try:
            blocks = read_blocks(
                self.audio, AudioConfig(), channel=self.channel, start_s=start, end_s=start + wanted_s + 0.1
            )
            return looped(np.concatenate(list(blocks)).astype(np.float32), size)
        except AudioError as error:
            raise type(error)(f"noise {self.key}: {error}") from error

    def last_offset_s(self, size: int) -> float:
        """The last offset from which an excerpt of so many samples is no repetition; 0 where the noise is too short."""
        return max(0.0, self.duration_s - size / SAMPLE_RATE)

    def drawn_excerpt(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """(size,) from an offset drawn at random, which is not all zeros there, and that offset in seconds.

        Raises:
            AudioError: it cannot be read, or is all zeros.
        """
        for attempt in range(1, _TRIES + 1):
            offset_s = round(rng.random() * self.last_offset_s(size), 4)
            try:
                excerpt = self.excerpt(size, offset_s)
                if excerpt.any():
                    return excerpt, offset_s
            except AudioError:
                if attempt == _TRIES:
                    raise
        raise SilentError(f"noise {self.key}: it is all zeros")


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


def stretch_of(noises: Sequence[Noise], which: float, where: float, size: int) -> tuple[np.ndarray, str]:
    """(size,) of one of the recordings, and its id. Where that is silent the next one is taken; zeros if all are.

    Args:
        noises: the recordings.
        which: of them, from 0 to 1.
        where: in it, from 0 to 1.
        size: number of samples.

    Raises:
        AudioError: it cannot be read.
    """
    first = int(which * len(noises))
    for number in range(min(_TRIES, len(noises))):
        noise = noises[(first + number) % len(noises)]
        try:
            return noise.excerpt(size, where * noise.last_offset_s(size)), noise.key
        except SilentError:
            continue
    return np.zeros(size, np.float32), "silence"


def scaled_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Noise scaled so that the mean power of the speech is `snr_db` above its own; silence stays what it is."""
    speech_power = float(np.mean(np.square(speech, dtype=np.float64)))
    noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
    if noise_power == 0.0:
        return noise
    return noise * np.float32(math.sqrt(speech_power / noise_power * 10 ** (-snr_db / 10)))


def write_mixed(wav: Path, speech: np.ndarray, noise: np.ndarray, snr_db: float) -> float:
    """Write speech with noise, both (n,), as 16-bit wav; the gain, at most 1, of both that keeps it from clipping."""
    mixed = speech + scaled_noise(speech, noise, snr_db)
    gain = min(1.0, _PEAK / float(np.abs(mixed).max()))
    with replacing(wav, only_writer=True) as unfinished:
        samples = np.round(mixed * gain).astype(np.int16)
        soundfile.write(unfinished, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    return gain
