"""Recordings in which speech, singing, music and noise follow and cover each other, with the exact times of each."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from sounds import levelled, music, noise, singing
from synth import SAMPLE_RATE, Spoken, Word

Event = tuple[float, float, str]  # start and end in seconds, label

SPEECH, SINGING, MUSIC = "speech", "singing", "music"
_PAUSE_S = 0.2  # shorter gaps between words belong to the speech
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
        if spans and word.start_s - spans[-1][1] < _PAUSE_S:
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
    said = levelled(spoken.samples, _decibels(level_db))[max(0, -before) : len(spoken.samples) + min(0, after)]
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
        _add(samples, turn.samples, start_s, level_db + rng.uniform(-3, 3))
    return _in_room(rng, samples), words, [(start, end, SPEECH) for start, end in speech_spans(words)]


def mixture(rng: Generator, spoken: Iterator[Spoken], seconds: float) -> tuple[np.ndarray, list[Event]]:
    """Samples and events of a recording: things one after another, at times over music, and always over some noise.

    Args:
        rng: source of all random numbers.
        spoken: utterances, of which as many are taken as fit.
        seconds: the recording's length.
    """
    samples = np.zeros(round(seconds * SAMPLE_RATE))
    level_db = rng.uniform(-30, -18)
    events: list[Event] = []
    at_s = float(rng.uniform(0.0, 1.5))
    while True:
        sound, spans, label = _piece(rng, spoken)
        if at_s + len(sound) / SAMPLE_RATE > seconds:
            break
        _add(samples, sound, at_s, level_db + rng.uniform(-3, 3))
        events += [(at_s + start, at_s + end, label) for start, end in spans]
        at_s += len(sound) / SAMPLE_RATE + float(rng.uniform(_PAUSE_S, 2.0))
    if rng.random() < 0.4:
        length_s = float(rng.uniform(0.3, 1.0) * seconds)
        at_s = float(rng.uniform(0.0, seconds - length_s))
        _add(samples, music(rng, length_s), at_s, level_db - rng.uniform(0, 12))
        events.append((at_s, at_s + length_s, MUSIC))
    _add(samples, noise(rng, seconds), 0.0, level_db - rng.uniform(10, 50))
    return np.clip(samples, -1.0, 1.0).astype(np.float32), _united(events)


def _piece(rng: Generator, spoken: Iterator[Spoken]) -> tuple[np.ndarray, list[tuple[float, float]], str]:
    """A sound, the spans in it, and their label; a burst of noise has no spans."""
    kind = rng.choice([SPEECH, SINGING, MUSIC, "noise"], p=[0.55, 0.2, 0.15, 0.1])
    if kind == SPEECH:
        speech = next(spoken)
        return speech.samples, speech_spans(speech.words), kind
    length_s = float(rng.uniform(1.0, 4.0))
    sound = {SINGING: singing, MUSIC: music, "noise": noise}[kind](rng, length_s)
    return sound, [] if kind == "noise" else [(0.0, length_s)], str(kind)


def _in_room(rng: Generator, samples: np.ndarray, level_db: float | None = None) -> np.ndarray:
    """The samples over noise, which is faint unless its level is given."""
    room = noise(rng, len(samples) / SAMPLE_RATE)
    room = levelled(room, _decibels(rng.uniform(-80, -55) if level_db is None else level_db))
    return np.clip(samples + room[: len(samples)], -1.0, 1.0)


def _add(samples: np.ndarray, sound: np.ndarray, at_s: float, level_db: float) -> None:
    start = round(at_s * SAMPLE_RATE)
    room = samples[start : start + len(sound)]
    room += levelled(sound[: len(room)], _decibels(level_db))


def _united(events: list[Event]) -> list[Event]:
    """The events by time, those of one label that touch merged."""
    united: list[Event] = []
    for start, end, label in sorted(events, key=lambda event: (event[2], event[0])):
        if united and united[-1][2] == label and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]), label)
        else:
            united.append((start, end, label))
    return sorted(united)


def _decibels(level_db: float) -> float:
    return 10.0 ** (level_db / 20.0)
