"""Recordings in which speech, singing, music and noise follow and cover each other, with the exact times of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from sounds import music, noise, singing
from synth import SAMPLE_RATE, Spoken, Word

from firered.corpora import mixtures
from firered.corpora.mixtures import MUSIC, NOISE, PAUSE_S, SINGING, SPEECH, Event, Sound, add, decibels, levelled

_MARGIN_S = 0.15  # of near silence around an utterance
# In training, as detectors of voice cut an utterance or as people do: seconds before and after it, at times below zero,
# so that a part of the edge is missing.
_TIGHT_S = ((-0.02, 0.12), (-0.02, 0.3))
_WIDE_S = ((0.0, 0.6), (0.0, 0.8))
_TIGHT_SHARE, _DIGITAL_SHARE = 0.5, 0.2  # of utterances that are cut so; that have digital silence around them


def speech_spans(words: Sequence[Word]) -> list[tuple[float, float]]:
    """Start and end in seconds of the stretches of words without a pause."""
    spans: list[tuple[float, float]] = []
    for word in words:
        if spans and word.start_s - spans[-1][1] < PAUSE_S:
            spans[-1] = (spans[-1][0], word.end_s)
        else:
            spans.append((word.start_s, word.end_s))
    return spans


def utterance(rng: Generator, spoken: Spoken) -> tuple[np.ndarray, list[Word]]:
    """Samples of one utterance in a quiet room at some level, and its words."""
    before_s, after_s = rng.uniform(0.5, 1.5, 2) * _MARGIN_S
    samples, words = _with_margins(spoken, before_s, after_s, rng.uniform(-32, -18))
    return _in_room(rng, samples), words


def varied_utterance(rng: Generator, spoken: Spoken) -> tuple[np.ndarray, list[Word]]:
    """The same with silence of any length around it, in a room that may be louder or have no sound at all."""
    margins = _TIGHT_S if rng.random() < _TIGHT_SHARE else _WIDE_S
    before_s, after_s = (float(rng.uniform(*limits)) for limits in margins)
    level_db = rng.uniform(-36, -14)
    samples, words = _with_margins(spoken, before_s, after_s, level_db)
    if rng.random() < _DIGITAL_SHARE:
        return np.clip(samples, -1.0, 1.0), words
    return _in_room(rng, samples, rng.uniform(-80, min(-45.0, level_db - 15))), words


def _with_margins(spoken: Spoken, before_s: float, after_s: float, level_db: float) -> tuple[np.ndarray, list[Word]]:
    """Samples and words of an utterance at this level with silence around it, or cut where a margin is below zero."""
    before, after = round(before_s * SAMPLE_RATE), round(after_s * SAMPLE_RATE)
    said = levelled(spoken.samples, decibels(level_db))[max(0, -before) : len(spoken.samples) + min(0, after)]
    samples = np.pad(said.astype(np.float64), (max(0, before), max(0, after)))
    length_s = len(samples) / SAMPLE_RATE
    words = spoken.shifted(before / SAMPLE_RATE)
    return samples, [Word(word.text, max(0.0, word.start_s), min(length_s, word.end_s)) for word in words]


def conversation(rng: Generator, spoken: Sequence[Spoken]) -> tuple[np.ndarray, list[Word], list[Event]]:
    """Samples of utterances in a quiet room, one after the other, with their words and the segments of speech."""
    at_s = float(rng.uniform(0.5, 1.5))
    words: list[Word] = []
    starts = []
    for turn in spoken:
        starts.append(at_s)
        words += turn.shifted(at_s)
        at_s += turn.duration_s + float(rng.uniform(0.6, 2.0))
    samples = np.zeros(round(at_s * SAMPLE_RATE))
    level_db = rng.uniform(-28, -20)
    for turn, start_s in zip(spoken, starts, strict=True):
        add(samples, turn.samples, start_s, level_db + rng.uniform(-3, 3))
    return _in_room(rng, samples), words, [(start, end, SPEECH) for start, end in speech_spans(words)]


def mixture(rng: Generator, spoken: Iterator[Spoken], seconds: float) -> tuple[np.ndarray, list[Event]]:
    """Samples and events of a recording: things one after another, at times over music, and always over some noise.

    Args:
        rng: source of all random numbers.
        spoken: utterances, of which as many are taken as fit.
        seconds: the recording's length.
    """
    return mixtures.mixture(rng, _Synthetic(spoken), seconds)


@dataclass
class _Synthetic:
    """Utterances, and singing, music and noise made of random numbers."""

    spoken: Iterator[Spoken]

    def piece(self, rng: Generator) -> Sound:
        """A sound with what is heard in it; a burst of noise has no events."""
        kind = str(rng.choice([SPEECH, SINGING, MUSIC, NOISE], p=[0.55, 0.2, 0.15, 0.1]))
        if kind == SPEECH:
            speech = next(self.spoken)
            return Sound(speech.samples, [(start, end, kind) for start, end in speech_spans(speech.words)])
        length_s = float(rng.uniform(1.0, 4.0))
        samples = {SINGING: singing, MUSIC: music, NOISE: noise}[kind](rng, length_s)
        return Sound(samples, [] if kind == NOISE else [(0.0, length_s, kind)])

    def music(self, rng: Generator, seconds: float) -> np.ndarray:
        """Chords and tones."""
        return music(rng, seconds)

    def noise(self, rng: Generator, seconds: float) -> np.ndarray:
        """Noise of some colour."""
        return noise(rng, seconds)


def _in_room(rng: Generator, samples: np.ndarray, level_db: float | None = None) -> np.ndarray:
    """The samples over noise, which is faint unless its level is given."""
    room = noise(rng, len(samples) / SAMPLE_RATE)
    room = levelled(room, decibels(rng.uniform(-80, -55) if level_db is None else level_db))
    return np.clip(samples + room[: len(samples)], -1.0, 1.0)
