"""What is not speech, made of numbers drawn at random: noise, music, and singing on vowels."""

import math

import numpy as np
from numpy.random import Generator
from synth import SAMPLE_RATE

from firered.corpora.mixtures import faded, levelled

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major and minor, in semitones
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 5, 7), (0, 7), (0,))
# Formants of a, e, i, o, u in Hz, of a man's voice (Peterson and Barney, 1952, rounded)
_VOWELS = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))


def noise(rng: Generator, seconds: float) -> np.ndarray:
    """Noise between white and brown, at times swelling, at times with the hum of the mains."""
    size = math.ceil(seconds) * SAMPLE_RATE  # of whole seconds, which the transform is fast for
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(size)) * np.maximum(hertz, 50.0) ** -rng.uniform(0.0, 1.2)
    signal = levelled(np.fft.irfft(spectrum, size)[: round(seconds * SAMPLE_RATE)], 1.0)
    time = _time(len(signal))
    if rng.random() < 0.5:
        signal *= 1.0 + 0.8 * np.sin(2 * np.pi * (rng.uniform(0.1, 2.0) * time + rng.random()))
    if rng.random() < 0.3:
        signal += rng.uniform(0.3, 1.5) * np.sin(2 * np.pi * rng.choice([50.0, 100.0, 120.0]) * time)
    return signal.astype(np.float32)


def music(rng: Generator, seconds: float) -> np.ndarray:
    """Chords and tones of a made-up instrument, one after another."""
    out = np.zeros(round(seconds * SAMPLE_RATE))
    root, beat_s = rng.uniform(80.0, 300.0), rng.uniform(0.15, 0.7)
    scale = _SCALES[rng.integers(len(_SCALES))]
    strengths = np.arange(1.0, 13.0) ** -rng.uniform(0.7, 2.5)
    decay = rng.choice([0.3, 1.0, 4.0])
    at = 0
    while at < len(out):
        length = min(len(out) - at, round(beat_s * rng.integers(1, 5) * SAMPLE_RATE))
        degree = rng.choice(scale) + 12 * rng.integers(0, 3)
        for interval in _CHORDS[rng.integers(len(_CHORDS))]:
            hertz = np.full(length, root * 2 ** ((degree + interval) / 12))
            out[at : at + length] += faded(_tone(hertz, strengths) * np.exp(-decay * _time(length)))
        at += length
    return levelled(out, 1.0).astype(np.float32)


def singing(rng: Generator, seconds: float) -> np.ndarray:
    """A melody sung on vowels, legato, with vibrato."""
    out = np.zeros(round(seconds * SAMPLE_RATE))
    root, tract = rng.uniform(110.0, 330.0), rng.uniform(0.95, 1.25)
    scale = _SCALES[rng.integers(len(_SCALES))]
    at = 0
    while at < len(out):
        length = min(len(out) - at, round(rng.uniform(0.3, 1.0) * SAMPLE_RATE))
        vibrato = rng.uniform(0.01, 0.03) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * _time(length))
        pitch = root * 2 ** (rng.choice(scale) / 12)
        strengths = _vowel(pitch * np.arange(1.0, 31.0), tract * np.array(_VOWELS[rng.integers(len(_VOWELS))]))
        out[at : at + length] = faded(levelled(_tone(pitch * (1.0 + vibrato), strengths), 1.0))
        at += length
    return levelled(out + 0.01 * rng.standard_normal(len(out)), 1.0).astype(np.float32)


def _time(size: int) -> np.ndarray:
    return np.arange(size) / SAMPLE_RATE


def _tone(hertz: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Harmonics of these strengths over a fundamental of so many hertz at each sample."""
    turn = np.exp(2j * np.pi * np.cumsum(hertz) / SAMPLE_RATE)
    out, harmonic = np.zeros(len(hertz)), np.ones(len(hertz), complex)
    for strength in strengths[: int(0.45 * SAMPLE_RATE / hertz.max())]:
        harmonic *= turn
        out += strength * harmonic.imag
    return out


def _vowel(hertz: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Strengths of a voice's harmonics: the glottis falls by 6 dB an octave, resonances of 100 Hz stand out."""
    resonances = 1.0 / (1.0 + ((hertz[:, None] - formants) / 100.0) ** 2)
    return (0.02 + resonances.sum(1)) / hertz
