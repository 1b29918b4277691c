"""Music, noise and singing made of random numbers, as MUSAN and Opencpop are laid out, to try the recipe."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
import typer
from numpy.random import Generator

sys.path.append(str(Path(__file__).resolve().parents[2] / "mini/local"))  # which makes such sounds

from sounds import music, noise, singing
from synth import SAMPLE_RATE

from firered.corpora.mixtures import levelled
from firered.data.datadir import write_lines

_SONG_RATE = 44100
_LEVEL = 0.1  # root mean square against full scale
_WITH_VOICES = 6  # one recording of music in so many is said to have voices


def write_musan(folder: Path, rng: Generator, recordings: int, length_s: float) -> None:
    """So many recordings of music and as many of noise, in folders of a source each, with ANNOTATIONS."""
    lines = []
    for number in range(recordings):
        name = f"music-made-{number:04d}"
        _write(folder / f"music/made/{name}.wav", music(rng, length_s), SAMPLE_RATE)
        _write(folder / f"noise/made/noise-made-{number:04d}.wav", noise(rng, length_s), SAMPLE_RATE)
        lines.append(f"{name} tones {'Y' if number % _WITH_VOICES == _WITH_VOICES - 1 else 'N'} nobody")
    write_lines(folder / "music/made/ANNOTATIONS", lines)


def write_opencpop(folder: Path, rng: Generator, songs: int, phrases: int) -> None:
    """So many songs of so many phrases each, the last one the test set."""
    for part, numbers in (("train", range(songs - 1)), ("test", range(songs - 1, songs))):
        lines = []
        for song in numbers:
            for phrase in range(phrases):
                key = f"{2001 + song}{phrase:06d}"
                phones, lengths_s = zip(*_phrase(rng), strict=True)
                _write(folder / f"segments/wavs/{key}.wav", _sung(rng, phones, lengths_s), _SONG_RATE)
                durations = " ".join(f"{length:.6f}" for length in lengths_s)
                notes, slurs = (" ".join([mark] * len(phones)) for mark in ("C4", "0"))
                lines.append(f"{key}|啦啦|{' '.join(phones)}|{notes}|{durations}|{durations}|{slurs}")
        write_lines(folder / f"segments/{part}.txt", lines)


def _phrase(rng: Generator) -> list[tuple[str, float]]:
    """Phones and their lengths in seconds: a pause, something sung, a breath, something sung, a pause."""
    kinds = ("SP", "l", "a", "AP", "l", "a", "SP")
    limits = {"SP": (0.1, 0.5), "AP": (0.3, 0.6), "l": (0.05, 0.1), "a": (0.5, 2.0)}
    return [(kind, round(float(rng.uniform(*limits[kind])), 6)) for kind in kinds]


def _sung(rng: Generator, phones: tuple[str, ...], lengths_s: tuple[float, ...]) -> np.ndarray:
    parts = []
    for phone, length_s in zip(phones, lengths_s, strict=True):
        silent = phone in ("SP", "AP")
        parts.append(1e-3 * rng.standard_normal(round(length_s * SAMPLE_RATE)) if silent else singing(rng, length_s))
    return soxr.resample(np.concatenate(parts), SAMPLE_RATE, _SONG_RATE)


def _write(path: Path, samples: np.ndarray, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(levelled(samples, _LEVEL), -1.0, 1.0), rate, "PCM_16")


def main(
    out: Annotated[Path, typer.Argument(help="folder to write musan/ and opencpop/ in")],
    recordings: Annotated[int, typer.Option(help="recordings of music, and of noise", min=6)] = 40,
    seconds: Annotated[float, typer.Option(help="length of each", min=1)] = 60.0,
    songs: Annotated[int, typer.Option(help="songs", min=3)] = 20,
    phrases: Annotated[int, typer.Option(help="phrases of each song", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="seed of all random numbers", min=0)] = 0,
) -> None:
    """Write both corpora."""
    rng = np.random.default_rng(seed)
    write_musan(out / "musan", rng, recordings, seconds)
    write_opencpop(out / "opencpop", rng, songs, phrases)


if __name__ == "__main__":
    typer.run(main)
