"""Audio files of a part of the corpus, made in a process of their own."""

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from mixtures import conversation, mixture, utterance, varied_utterance
from synth import SAMPLE_RATE, Spoken, Synthesiser, Voice, Word


@dataclass(frozen=True)
class Line:
    """A sentence to be synthesised in a language of `synth.LANGUAGES`."""

    text: str
    language: str
    voice: Voice


@dataclass(frozen=True)
class Task:
    """A recording to be made: an utterance, a conversation of several, or a mixture of so many seconds with some.

    An utterance that is `varied` has silence of any length around it, as an utterance for training has.
    """

    key: str
    lines: tuple[Line, ...]
    mixture_seconds: float = 0.0
    varied: bool = False


@dataclass(frozen=True)
class Recording:
    """A recording that was made: words with their times unless it is a mixture, events unless it is an utterance."""

    key: str
    path: Path
    seconds: float
    lines: tuple[Line, ...]
    words: tuple[Word, ...] = ()
    events: tuple[tuple[float, float, str], ...] = ()


def render(tasks: list[Task], folder: Path, seed: int) -> list[Recording]:
    """The recordings of the tasks, as 16-bit wav files in a folder.

    To be called first thing in a new process, where it gives the same files every time.
    """
    synthesiser = Synthesiser()
    folder.mkdir(parents=True, exist_ok=True)
    recordings = []
    for task in tasks:
        rng = np.random.default_rng([seed, zlib.crc32(task.key.encode())])
        spoken = (synthesiser.say(line.language, line.text, line.voice) for line in itertools.cycle(task.lines))
        samples, found = _made(rng, spoken, task)
        path = folder / f"{task.key}.wav"
        soundfile.write(path, samples, SAMPLE_RATE, "PCM_16")
        recordings.append(Recording(task.key, path, len(samples) / SAMPLE_RATE, task.lines, **found))
    return recordings


def _made(rng: np.random.Generator, spoken: Iterator[Spoken], task: Task) -> tuple[np.ndarray, dict[str, tuple]]:
    if task.mixture_seconds:
        samples, events = mixture(rng, spoken, task.mixture_seconds)
        return samples, {"events": tuple(events)}
    if len(task.lines) == 1:
        samples, words = (varied_utterance if task.varied else utterance)(rng, next(spoken))
        return samples, {"words": tuple(words)}
    samples, words, events = conversation(rng, [next(spoken) for _ in task.lines])
    return samples, {"words": tuple(words), "events": tuple(events)}
