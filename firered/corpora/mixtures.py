"""Recordings in which sounds follow and cover each other, with the exact times of what is heard in each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from firered.audio.framing import SAMPLE_RATE

Event = tuple[float, float, str]  # start and end in seconds, label

SPEECH, SINGING, MUSIC, NOISE = "speech", "singing", "music", "noise"
PAUSE_S = 0.2  # shorter gaps between words belong to the speech
_FADE = round(0.02 * SAMPLE_RATE)


@dataclass(frozen=True)
class Sound:
    """Samples (n,) at 16 kHz of any level, and the events in them, in seconds from their start."""

    samples: np.ndarray
    events: Sequence[Event]

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / SAMPLE_RATE


class Sources(Protocol):
    """Where sounds are drawn from."""

    def piece(self, rng: Generator) -> Sound:
        """A sound to be placed among others."""

    def music(self, rng: Generator, seconds: float) -> np.ndarray:
        """Samples of music of so many seconds."""

    def noise(self, rng: Generator, seconds: float) -> np.ndarray:
        """Samples of noise of so many seconds."""


def mixture(
    rng: Generator, sources: Sources, seconds: float, *, music_share: float = 0.4
) -> tuple[np.ndarray, list[Event]]:
    """Samples and events of a recording: things one after another, at times over music, and always over some noise.

    Args:
        rng: source of all random numbers.
        sources: of which as many pieces are taken as fit.
        seconds: the recording's length.
        music_share: share of recordings with music under a part of them.
    """
    samples = np.zeros(round(seconds * SAMPLE_RATE))
    level_db = rng.uniform(-30, -18)
    events: list[Event] = []
    at_s = float(rng.uniform(0.0, 1.5))
    while True:
        sound = sources.piece(rng)
        if at_s + sound.duration_s > seconds:
            break
        add(samples, sound.samples, at_s, level_db + rng.uniform(-3, 3))
        events += [(at_s + start, at_s + end, label) for start, end, label in sound.events]
        at_s += sound.duration_s + float(rng.uniform(PAUSE_S, 2.0))
    if rng.random() < music_share:
        length_s = float(rng.uniform(0.3, 1.0) * seconds)
        at_s = float(rng.uniform(0.0, seconds - length_s))
        add(samples, sources.music(rng, length_s), at_s, level_db - rng.uniform(0, 12))
        events.append((at_s, at_s + length_s, MUSIC))
    add(samples, sources.noise(rng, seconds), 0.0, level_db - rng.uniform(10, 50))
    return np.clip(samples, -1.0, 1.0).astype(np.float32), united(events)


def add(samples: np.ndarray, sound: np.ndarray, at_s: float, level_db: float) -> None:
    """Add a sound from a time on, brought to this level against full scale; what is beyond the end is lost."""
    start = round(at_s * SAMPLE_RATE)
    room = samples[start : start + len(sound)]
    room += levelled(sound[: len(room)], decibels(level_db))


def united(events: list[Event]) -> list[Event]:
    """The events by time, those of one label that touch merged."""
    found: list[Event] = []
    for start, end, label in sorted(events, key=lambda event: (event[2], event[0])):
        if found and found[-1][2] == label and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]), label)
        else:
            found.append((start, end, label))
    return sorted(found)


def levelled(signal: np.ndarray, rms: float) -> np.ndarray:
    """The signal with this root mean square; silence stays silence."""
    own = float(np.sqrt(np.mean(np.square(signal)))) if len(signal) else 0.0
    return signal * (rms / own) if own > 0 else signal


def faded(signal: np.ndarray) -> np.ndarray:
    """The signal, in place, with 20 ms at its edges faded in and out."""
    size = min(len(signal) // 2, _FADE)
    ramp = np.linspace(0.0, 1.0, size)
    signal[:size] *= ramp
    signal[len(signal) - size :] *= ramp[::-1]
    return signal


def decibels(level_db: float) -> float:
    """The root mean square of a level against full scale."""
    return 10.0 ** (level_db / 20.0)
