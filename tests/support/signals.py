"""Signals to put into recordings: tones and noise."""

import numpy as np
import soundfile


def sine(seconds, rate=16000, hertz=440.0, amplitude=0.5):
    """(n,) float32 tone with full scale 1.0."""
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def noise(samples, amplitude=0.5, seed=0):
    """(n,) or, for a tuple, (n, channels) float32 white noise, the same for the same seed."""
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, samples).astype(np.float32)


def write_wav(path, samples=None, rate=16000, subtype=None, **options):
    """The path of a new audio file (format by suffix); half a second of noise if no samples are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(8000) if samples is None else samples, rate, subtype, **options)
    return path


def write_digits(folder):
    """A corpus in the layout of the Free Spoken Digit Dataset: nine tones for each digit, of two speakers."""
    for pitch, speaker in ((200, "ann"), (120, "bob")):
        for digit in range(10):
            for index in range(9):
                tone = sine(0.4, rate=8000, hertz=pitch * (digit + 1)) + noise(3200, amplitude=0.01, seed=index)
                write_wav(folder / f"recordings/{digit}_{speaker}_{index}.wav", tone, rate=8000)
