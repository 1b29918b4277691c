"""Words of lists in the text of noise, music and short clips that are only there because of the list, by recogniser.

    python tests/bench/hotword_echo.py MODEL... [--text FILE] [--scores 1 3] [--guard-vad DIR]

A list of N entries is drawn from the words and the Chinese stretches of two or three characters of FILE, a Kaldi text.
A line gives how many sounds get a word of the list that the recogniser does not write without one, with the check for
echoes and without it.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import firered
from firered.hotwords.occurrences import occurrences
from firered.runtime.context import Context

RATE, CHORD = 16000, (262.0, 330.0, 392.0)


def sounds(seed: int) -> dict[str, np.ndarray]:
    """Three seconds each of noise and of chords, at several levels, and clips of up to half a second; int16."""
    rng = np.random.default_rng(seed)
    found = {"quiet": rng.normal(0, 1e-4, 3 * RATE)}
    time = np.arange(3 * RATE) / RATE
    for step in range(4):
        found[f"white{step}"] = rng.normal(0, 10 ** (-1 - step / 2), 3 * RATE)
        found[f"pink{step}"] = pink(rng, 3 * RATE) * 10 ** (-0.3 - step / 2)
        chord = sum(np.sin(2 * np.pi * hertz * 2 ** (step / 4) * time) for hertz in CHORD)
        found[f"music{step}"] = 0.2 * chord * np.tile(np.hanning(len(time) // 4), 4)
        found[f"clip{step}"] = 0.3 * pink(rng, (step + 1) * RATE // 10)
    return {name: (samples.clip(-1, 1) * 32767).astype(np.int16) for name, samples in found.items()}


def pink(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise with as much power in every octave, at most 1."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    samples = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)
    return samples / np.abs(samples).max()


def entries(path: Path) -> list[str]:
    """The words of a Kaldi text, and its Chinese stretches of two and three characters."""
    texts = [line.partition(" ")[2] for line in path.read_text(encoding="utf-8").splitlines()]
    words = {word for text in texts for word in re.findall("[a-z']+", text)}
    runs = [run for text in texts for run in re.findall("[一-鿿]+", text.replace(" ", ""))]
    return sorted(words | {run[at : at + size] for run in runs for size in (2, 3) for at in range(len(run) - size + 1)})


def main() -> None:
    """Print a line a model, score and size of the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--text", type=Path, default=Path("egs/mini/test/text"))
    parser.add_argument("--scores", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--guard-vad", help="also with the guard and this voice detector")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    heard, known = sounds(given.seed), entries(given.text)
    rng = np.random.default_rng(given.seed)
    lists = [[str(word) for word in rng.permutation(known)[:size]] for size in (3, 50, 1000)]
    for model in given.models:
        for score in given.scores:
            found = {}
            for checks in (True, False):
                guard = {"guard": "flag", "guard_vad": given.guard_vad} if given.guard_vad else {}
                asr = firered.load(model, device="cpu", hotword_score=score, guard_echo=checks, **guard)
                plain = asr.batch(heard.values(), list(heard))
                for words in lists:
                    told = asr.batch(heard.values(), list(heard), context=Context(hotwords=words))
                    found[len(words), checks] = sum(
                        any(occurrences(word, one.text) and not occurrences(word, other.text) for word in words)
                        for one, other in zip(told, plain, strict=True)
                    )
            for words in lists:
                with_check, without = (found[len(words), checks] for checks in (True, False))
                print(
                    f"{model} score {score:g}, {len(words)} entries: {with_check} of {len(heard)}, unchecked {without}"
                )


if __name__ == "__main__":
    main()
