"""Stretches of real recordings as the sounds that mixtures are made of."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read_blocks
from firered.corpora.mixtures import MUSIC, NOISE, SINGING, SPEECH, Sound, faded
from firered.errors import AudioError, DataError
from firered.runs.noise import Noise

_SHARES = {SPEECH: 0.5, SINGING: 0.25, MUSIC: 0.15, NOISE: 0.1}  # of the pieces, as far as there are such
_SECONDS = (1.0, 6.0)  # of a piece of music or noise
_PAUSE_S = 0.5  # a longer one ends a stretch of speech
_LONGEST_S = 8.0  # of a stretch, which may end in the middle of a turn
_MARGIN_S = 0.1  # of what is around it
_TRIES = 20  # of recordings that cannot be read, before it is given up

Span = tuple[float, float]


@dataclass(frozen=True)
class Clip:
    """A stretch of a recording, in seconds, and what is labelled in it, in seconds of the recording."""

    audio: Path
    start_s: float
    end_s: float
    spans: tuple[Span, ...]
    label: str

    def sound(self) -> Sound:
        """Its samples with their events; raises AudioError where it cannot be read."""
        samples = _samples(self.audio, self.start_s, self.end_s)
        length_s = len(samples) / SAMPLE_RATE
        moved = ((max(0.0, start - self.start_s), min(length_s, end - self.start_s)) for start, end in self.spans)
        return Sound(samples, [(start, end, self.label) for start, end in moved if end > start])


def speech_clips(audio: Path, spans: Iterable[Span]) -> Iterator[Clip]:
    """A recording's turns, overlapping ones together, cut into stretches of at most 8 s at their pauses."""
    stretches = list(_stretches(_merged(spans)))
    ends = [0.0, *(stretch[-1][1] for stretch in stretches)]
    starts = [*(stretch[0][0] for stretch in stretches[1:]), math.inf]
    for stretch, before_s, after_s in zip(stretches, ends, starts, strict=False):  # nothing of the neighbours
        start_s, end_s = max(before_s, stretch[0][0] - _MARGIN_S), min(after_s, stretch[-1][1] + _MARGIN_S)
        yield Clip(audio, start_s, end_s, tuple(stretch), SPEECH)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch or overlap as one, those that are too long in parts."""
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    cut: list[Span] = []
    for start, end in united:
        parts = int(np.ceil((end - start) / _LONGEST_S))
        edges = np.linspace(start, end, parts + 1).tolist()
        cut += itertools.pairwise(edges)
    return cut


def _stretches(spans: Sequence[Span]) -> Iterator[list[Span]]:
    stretch: list[Span] = []
    for span in spans:
        if stretch and (span[0] - stretch[-1][1] >= _PAUSE_S or span[1] - stretch[0][0] > _LONGEST_S):
            yield stretch
            stretch = []
        stretch.append(span)
    if stretch:
        yield stretch


@dataclass
class Recorded:
    """Clips of speech and singing, and recordings of music and noise, drawn with equal chances within a kind.

    `problems` takes what cannot be read, with the reason; another is drawn in its place.
    """

    speech: list[Clip]
    singing: list[Clip]
    music_recordings: list[Noise]
    noise_recordings: list[Noise]
    problems: dict[str, str] = field(default_factory=dict)

    def piece(self, rng: Generator) -> Sound:
        """A clip, or a few seconds of music or noise."""
        kinds = [kind for kind in _SHARES if kind != SINGING or self.singing]
        shares = np.array([_SHARES[kind] for kind in kinds])
        kind = str(rng.choice(kinds, p=shares / shares.sum()))
        if kind in (SPEECH, SINGING):
            return self._clip(rng, self.speech if kind == SPEECH else self.singing)
        length_s = float(rng.uniform(*_SECONDS))
        samples = (self.music if kind == MUSIC else self.noise)(rng, length_s)
        return Sound(samples, [(0.0, length_s, MUSIC)] if kind == MUSIC else [])

    def music(self, rng: Generator, seconds: float) -> np.ndarray:
        """A stretch of one of the recordings of music; a short one is repeated."""
        return self._excerpt(rng, self.music_recordings, seconds)

    def noise(self, rng: Generator, seconds: float) -> np.ndarray:
        """A stretch of one of the recordings of noise; a short one is repeated."""
        return self._excerpt(rng, self.noise_recordings, seconds)

    def _clip(self, rng: Generator, clips: Sequence[Clip]) -> Sound:
        for _ in range(_TRIES):
            clip = clips[int(rng.integers(len(clips)))]
            try:
                sound = clip.sound()
                faded(sound.samples)
                return sound
            except AudioError as error:
                self.problems[str(clip.audio)] = str(error)
        raise DataError(f"{_TRIES} recordings one after the other cannot be read, such as {clip.audio}")

    def _excerpt(self, rng: Generator, recordings: Sequence[Noise], seconds: float) -> np.ndarray:
        for _ in range(_TRIES):
            recording = recordings[int(rng.integers(len(recordings)))]
            try:
                samples, _ = recording.drawn_excerpt(round(seconds * SAMPLE_RATE), rng)
                return faded(samples / INT16_SCALE)
            except AudioError as error:
                self.problems[recording.key] = str(error)
        raise DataError(f"{_TRIES} recordings one after the other cannot be read, such as {recording.key}")


def _samples(audio: Path, start_s: float, end_s: float) -> np.ndarray:
    blocks = read_blocks(audio, AudioConfig(), start_s=start_s, end_s=end_s)
    return np.concatenate(list(blocks)).astype(np.float64) / INT16_SCALE
