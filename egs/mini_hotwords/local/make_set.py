"""The test set of egs/mini_hotwords: names and terms in sentences, sentences without any, and sounds without speech.

All of it is made as egs/mini makes its corpus, in voices that its training never heard. The same seed and version of
espeak-ng give the same files, on any number of processes.
"""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from make_corpus import Script, scaled, write_sets
from names import Names, Target, compact, training_texts
from shards import Line, Task
from sounds import music, noise, singing
from synth import SAMPLE_RATE, Voice

from firered.corpora.mixtures import levelled
from firered.data.datadir import DataDir, write_table
from firered.data.partition import subset
from firered.data.write import seconds

VOICES = ("f3", "f5", "m7", "Gene2", "Henrique", "Marco", "Storm", "klatt2", "klatt4", "steph3")  # of no training set
_PITCHES, _SPEEDS = (30, 70), (170, 240)  # as in the test sets of egs/mini
# How many sentences of each grammar a target of each is said in
SENTENCES = {"zh": {"zh": 5}, "en": {"en": 4, "cs": 1}, "cs": {"cs": 5}}
PLAIN = {"zh": 40, "en": 30, "cs": 10}  # sentences without a name
SOUNDS = 25  # recordings of each kind without speech, and of parts of words
_SECONDS, _SHORT_SECONDS = (1.0, 6.0), (0.2, 0.5)
_LEVELS_DB, _SILENCE_DB = (-40.0, -15.0), -80.0  # digital silence is refused as a muted channel
_PART = 3  # one in so many utterances is in the set for models that take long


def spoken(names: Names, script: Script, targets: Iterable[Target], scale: float, rng: random.Random) -> list[Task]:
    """Utterances of the targets, each target in several voices, and utterances without them."""
    said: list[tuple[str, str, str]] = []  # grammar, text, what kind of name is in it
    for target in targets:
        for grammar, count in SENTENCES[target.grammar].items():
            texts: dict[str, None] = {}
            while len(texts) < scaled(count, scale):
                texts.setdefault(names.sentence(grammar, target))
            said += [(grammar, text, target.grammar) for text in texts]
    for grammar, count in PLAIN.items():
        said += [(grammar, script.sentence("test", grammar), "none") for _ in range(scaled(count, scale))]
    tasks = []
    for number, (grammar, text, kind) in enumerate(said):
        voice = Voice(VOICES[number % len(VOICES)], rng.randint(*_PITCHES), rng.randint(*_SPEEDS))
        key = f"{voice.variant}-{grammar}-{kind}-{number:05d}"
        tasks.append(Task(key, (Line(text, "en" if grammar == "en" else "zh", voice),)))
    return tasks


def write_sounds(out: Path, speech: DataDir, count: int, seed: int) -> None:
    """Write recordings in which nothing of a list is said, and what each is (utt2kind).

    Args:
        out: data directory.
        speech: utterances, of which those without a name are cut to parts of words.
        count: recordings of each kind.
        seed: of all random numbers.
    """
    rng = np.random.default_rng(seed)
    plain = [path for key, path in sorted(speech.wav_scp.items()) if "-none-" in key]
    makers = {
        "silence": lambda length_s: rng.standard_normal(round(length_s * SAMPLE_RATE)),
        "noise": lambda length_s: noise(rng, length_s),
        "music": lambda length_s: music(rng, length_s),
        "singing": lambda length_s: singing(rng, length_s),
        "short": lambda length_s: _part(rng, plain, length_s),
    }
    (out / "wav").mkdir(parents=True, exist_ok=True)
    kinds, paths, lengths = {}, {}, {}
    for kind, make in makers.items():
        for number in range(count):
            samples = make(rng.uniform(*(_SHORT_SECONDS if kind == "short" else _SECONDS)))
            level_db = _SILENCE_DB if kind == "silence" else rng.uniform(*_LEVELS_DB)
            samples = np.clip(levelled(samples, 10 ** (level_db / 20)), -1.0, 1.0)
            key = f"{kind}-{number:03d}"
            path = out.absolute() / f"wav/{key}.wav"
            soundfile.write(path, samples, SAMPLE_RATE, "PCM_16")
            kinds[key], paths[key], lengths[key] = kind, str(path), seconds(len(samples) / SAMPLE_RATE)
    write_table(out / "wav.scp", paths)
    write_table(out / "utt2kind", kinds)
    write_table(out / "utt2dur", lengths)


def _part(rng: np.random.Generator, paths: list[str], length_s: float) -> np.ndarray:
    samples, _ = soundfile.read(paths[rng.integers(len(paths))])
    size = round(length_s * SAMPLE_RATE)
    start = rng.integers(max(1, len(samples) - size))
    return samples[start : start + size]


def main(
    out: Annotated[Path, typer.Argument(help="folder for the data directories test and sounds, and the table targets")],
    seed: Annotated[int, typer.Option(help="seed of all random numbers", min=0)] = 1,
    nj: Annotated[int, typer.Option(help="processes side by side", min=1)] = 2,
    scale: Annotated[float, typer.Option(help="size of the sets, against the full ones", min=0.01)] = 1.0,
) -> None:
    """Write test, third (of test), sounds, and targets.tsv: names with their grammar and topic, tabs between."""
    rng = random.Random(seed)
    names = Names(rng)
    targets = names.targets(training_texts(), scale)
    tasks = spoken(names, Script(seed), targets, scale, rng)
    write_sets(out, {"test": tasks}, nj, seed)
    rows = [f"{target.text}\t{target.grammar}\t{target.topic}" for target in targets]
    (out / "targets.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    test = DataDir(out / "test")
    write_table(out / "test/utt2names", {key: key.split("-")[-2] for key in test.wav_scp})
    topics = {compact(target.text): target.topic for target in targets}
    said = {key: compact(text) for key, text in test.text.items()}
    named = {key: next((topics[name] for name in topics if name in text), "none") for key, text in said.items()}
    subset(test, sorted(test.wav_scp, key=lambda key: key[-5:])[::_PART], out / "third")
    for part in ("test", "third"):
        write_table(out / part / "utt2topic", {key: named[key] for key in DataDir(out / part).wav_scp})
    write_sounds(out / "sounds", test, scaled(SOUNDS, scale), seed)


if __name__ == "__main__":
    typer.run(main)
