"""Recordings of noise, in a folder each place: OUT/train and OUT/test, which have none in common."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from numpy.random import Generator
from sounds import music, noise
from synth import SAMPLE_RATE

from firered.corpora.mixtures import levelled
from firered.data.datadir import DataDir
from firered.errors import FireRedError

SECONDS = 12.0
COUNTS = {"train": 20, "test": 4}
_LEVEL = 0.05  # root of the mean square; what is mixed is brought to a ratio anyway
_SPEAKERS = 5  # of babble


def machine(rng: Generator, seconds: float) -> np.ndarray:
    """A motor: a tone with harmonics that turns a little faster and slower, over noise."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = rng.uniform(40.0, 160.0) * (1.0 + 0.03 * np.sin(2 * np.pi * rng.uniform(0.1, 0.6) * time))
    turn = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    tones = sum(np.sin(harmonic * turn + rng.uniform(0, 6)) / harmonic**0.7 for harmonic in range(1, 9))
    return np.asarray(tones) + 0.4 * noise(rng, seconds)


def babble_of(data: DataDir) -> Callable[[Generator, float], np.ndarray]:
    """What makes babble of the recordings of a data directory."""
    wavs = list((data.wav_scp or {}).values())

    def babble(rng: Generator, seconds: float) -> np.ndarray:
        out = np.zeros(round(seconds * SAMPLE_RATE))
        for _ in range(_SPEAKERS):
            at = 0
            while at < len(out):
                spoken, _ = soundfile.read(data.path / wavs[int(rng.integers(len(wavs)))], dtype="float32")
                own = levelled(spoken, 1.0)[: len(out) - at]
                out[at : at + len(own)] += own
                at += len(own)
        return out

    return babble


def main(
    mini: Annotated[Path, typer.Argument(help="data/ of egs/mini")],
    out: Annotated[Path, typer.Argument(help="folder to write")],
) -> None:
    """Write the recordings."""
    try:
        for number, (part, count) in enumerate(COUNTS.items()):
            places = {"street": noise, "music": music, "machine": machine, "babble": babble_of(DataDir(mini / part))}
            for place, make in places.items():
                folder = out / part / place
                folder.mkdir(parents=True, exist_ok=True)
                for index in range(count):
                    rng = np.random.default_rng([number, index, *place.encode()])
                    samples = levelled(make(rng, SECONDS), _LEVEL)
                    soundfile.write(folder / f"{place}{index:02d}.wav", np.clip(samples, -1, 1), SAMPLE_RATE)
    except FireRedError as error:
        sys.exit(f"make_noises.py: {error}")


if __name__ == "__main__":
    typer.run(main)
