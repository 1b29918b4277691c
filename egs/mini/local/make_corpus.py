"""The corpus of egs/mini as Kaldi data directories: synthetic speech in seven languages, singing, music and noise.

Sentences come from the grammars beside this folder; those of dev and test are in no training set, and the voices of
test occur in no other set. The same seed and version of espeak-ng give the same corpus, on any number of processes.
"""

import random
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from grammar import Grammar
from shards import Line, Recording, Task, render
from sounds import noise
from synth import SAMPLE_RATE, Voice
from write_sets import has_exact_times, plain_text, write_recordings

from firered.corpora.mixtures import levelled
from firered.data.datadir import write_table
from firered.errors import DataError

PARTS = {"test": range(2), "dev": range(2, 3), "train": range(3, 20)}  # twentieths of all sentences
_TRAIN_VOICES = (
    *("f1", "f2", "f4", "m1", "m2", "m3", "m4", "m6", "m8", "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis"),
    *("Diogo", "Gene", "Hugo", "Jacky", "Lee", "Mario", "Michael", "Mike", "Nguyen", "adam", "anika", "announcer"),
    *("antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa"),
    *("gustave", "iven", "iven3", "john", "kaukovalta", "linda", "marcelo", "max", "michel", "miguel", "norbert"),
    *("pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac"),
)
VOICES = {"train": _TRAIN_VOICES, "dev": (*_TRAIN_VOICES, "m5"), "test": ("f3", "f5", "m7")}
_PITCHES = {"train": (25, 75), "dev": (30, 70), "test": (30, 70)}
_SPEEDS = {"train": (160, 250), "dev": (170, 240), "test": (170, 240)}

# How many utterances of each grammar, mixtures and texts
ASR = {
    "train": {"zh": 4400, "en": 4200, "cs": 600, "yue": 900},
    "dev": {"zh": 80, "en": 50, "cs": 10, "yue": 15},
    "test": {"zh": 120, "en": 80, "cs": 20, "yue": 30},
}
NAMED = {  # sentences with names of which no other sentence knows
    "train": {"zh": 1800, "en": 2400, "cs": 800},
    "dev": {"zh": 15, "en": 15, "cs": 5},
}
NAMES = {"zh": 500, "en": 700}  # alone, among the phrases
_DRAWN = 2000  # names of a language for sentences of two
PHRASES = {"zh": 1200, "en": 1000, "yue": 300}  # for the first stage of training, of its voices
_PHRASE_CHARACTERS = {"zh": 4, "yue": 4}  # at most
_PHRASE_LETTERS = 16  # of the other languages
LANGUAGES = ("zh", "yue", "en", "es", "fr", "de", "ru")
LID = {"train": 500, "dev": 12, "test": 40}  # of each grammar; Mandarin with English words is Mandarin
LID_GRAMMARS = (*LANGUAGES, "cs")
LID_PHRASES = 150  # of each language, in training
MIXTURES = {"train": 320, "dev": 30, "test": 60}
TALKS = {"zh": 6, "en": 6, "yue": 3, "cs": 3}  # conversations of test
_TURNS = 6
_TRIES = 100  # for each text that must differ from those before
NOISES = 40
PUNC = {"train": 8000, "dev": 200, "test": 400}
LM = {"train": 20000, "dev": 300}
_SHARD = 250  # recordings made by one process
_MIXTURE_SECONDS = (8.0, 14.0)
_NOISE_SECONDS, _NOISE_LEVEL = 10.0, 0.1  # root mean square against full scale
_GRAMMARS = Path(__file__).resolve().parents[1] / "grammar"


def part_of(sentence: str) -> str:
    """The part that a sentence belongs to with any voice; no other part gets it."""
    twentieth = zlib.crc32(plain_text(sentence).encode()) % 20
    return next(part for part, twentieths in PARTS.items() if twentieth in twentieths)


def distinct(draw: Callable[[], str], count: int) -> list[str]:
    """So many different texts, in the order in which they were drawn.

    Raises:
        DataError: there are too few.
    """
    texts: dict[str, None] = {}
    for _ in range(_TRIES * count):
        texts.setdefault(draw())
        if len(texts) == count:
            return list(texts)
    raise DataError(f"only {len(texts)} of {count} different sentences, such as {next(iter(texts))}: grammar too small")


class Script:
    """Sentences of the grammars for every part."""

    _sentence = "S"  # the rule of sentences, and that of phrases: any
    _phrase: str | None = None

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._grammars = {path.stem: Grammar(path) for path in sorted(_GRAMMARS.glob("*.txt"))}

    def sentence(self, part: str, grammar: str) -> str:
        """A sentence with its punctuation."""
        while True:
            sentence = self._grammars[grammar].sentence(self._rng, self._sentence)
            if part_of(sentence) == part:
                return sentence

    def phrase(self, part: str, grammar: str) -> str:
        """A short part of a sentence."""
        while True:
            rule = self._phrase
            draw = self._grammars[grammar]
            phrase = draw.sentence(self._rng, rule) if rule else draw.phrase(self._rng)
            if len(phrase) <= _PHRASE_CHARACTERS.get(grammar, _PHRASE_LETTERS) and part_of(phrase) == part:
                return phrase

    def line(self, part: str, grammar: str, text: str) -> Line:
        """A text with a voice."""
        variant = self._rng.choice(VOICES[part])
        voice = Voice(variant, pitch=self._rng.randint(*_PITCHES[part]), speed=self._rng.randint(*_SPEEDS[part]))
        return Line(text, "zh" if grammar == "cs" else grammar, voice)

    def utterances(
        self, part: str, counts: Mapping[str, int], text: Callable[[str, str], str], name: str = ""
    ) -> list[Task]:
        """So many utterances of each grammar, of what `text` gives for both; outside train, no two alike.

        A name goes into their ids.
        """
        tasks = []
        for grammar, count in counts.items():
            draw = partial(text, part, grammar)
            texts = [draw() for _ in range(count)] if part == "train" else distinct(draw, count)
            for number, sentence in enumerate(texts):
                line = self.line(part, grammar, sentence)
                key = f"{line.voice.variant}-{grammar}-{name}{number:05d}"
                tasks.append(Task(key, (line,), varied=part != "test"))
        return tasks

    def mixtures(self, part: str, count: int) -> list[Task]:
        """So many mixtures, each with sentences in several languages."""
        tasks = []
        for number in range(count):
            languages = self._rng.choices(LANGUAGES, k=_TURNS)
            lines = tuple(self.line(part, language, self.sentence(part, language)) for language in languages)
            tasks.append(Task(f"mix-{number:05d}", lines, self._rng.uniform(*_MIXTURE_SECONDS)))
        return tasks

    def talks(self, part: str, counts: Mapping[str, int]) -> list[Task]:
        """So many conversations in each grammar."""
        return [
            Task(f"talk-{grammar}-{number:05d}", tuple(self.line(part, grammar, turn) for turn in turns))
            for grammar, count in counts.items()
            for number in range(count)
            for turns in [[self.sentence(part, grammar) for _ in range(_TURNS)]]
        ]

    def texts(self, part: str, count: int) -> dict[str, str]:
        """So many sentences with their punctuation, of the languages that are recognised, by a key for each."""
        grammars = self._rng.choices(list(ASR["train"]), weights=list(ASR["train"].values()), k=count)
        return {f"{part}-{number:05d}": self.sentence(part, grammar) for number, grammar in enumerate(grammars)}


class NamedScript(Script):
    """Sentences that have a name or term of any characters and syllables in them; a phrase is such a name."""

    _sentence, _phrase = "N", "NAME"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._grammars = {language: self._named(language) for language in ("zh", "en")}
        names = {
            language.upper(): [grammar.sentence(self._rng, "NAME") for _ in range(_DRAWN)]
            for language, grammar in self._grammars.items()
        }
        self._grammars["cs"] = self._named("cs", names)

    @staticmethod
    def _named(grammar: str, more: Mapping[str, list[str]] | None = None) -> Grammar:
        return Grammar(_GRAMMARS / f"{grammar}.txt", _GRAMMARS / f"names/{grammar}.txt", more=more)


def planned(seed: int, scale: float = 1.0) -> tuple[dict[str, list[Task]], dict[str, dict[str, str]]]:
    """What is in the corpus: recordings of each set; texts of those without audio, of lm_* without punctuation."""
    script = Script(seed)
    sets: dict[str, list[Task]] = {}
    texts: dict[str, dict[str, str]] = {}
    for part in PARTS:
        sets[part] = script.utterances(part, scaled_all(ASR[part], scale), script.sentence)
        sets[f"lid_{part}"] = script.utterances(
            part, dict.fromkeys(LID_GRAMMARS, scaled(LID[part], scale)), script.sentence
        )
        if part == "train":
            phrases = dict.fromkeys(LANGUAGES, scaled(LID_PHRASES, scale))
            sets["lid_train"] += script.utterances(part, phrases, script.phrase, "phrase-")
        sets[f"vad_{part}"] = script.mixtures(part, scaled(MIXTURES[part], scale))
        texts[f"punc_{part}"] = script.texts(part, scaled(PUNC[part], scale))
        if part in LM:
            sentences = script.texts(part, scaled(LM[part], scale))
            texts[f"lm_{part}"] = {key: plain_text(text) for key, text in sentences.items()}
    sets["phrases"] = script.utterances("train", scaled_all(PHRASES, scale), script.phrase)
    named = NamedScript(seed)
    for part, counts in NAMED.items():
        sets[part] += named.utterances(part, scaled_all(counts, scale), named.sentence, "named-")
    sets["phrases"] += named.utterances("train", scaled_all(NAMES, scale), named.phrase, "name-")
    sets["talk_test"] = script.talks("test", TALKS)
    return sets, texts


def main(
    out: Annotated[Path, typer.Argument(help="folder for the data directories and, in wav/, their audio")],
    seed: Annotated[int, typer.Option(help="seed of all random numbers", min=0)] = 1,
    nj: Annotated[int, typer.Option(help="processes side by side", min=1)] = 2,
    scale: Annotated[float, typer.Option(help="size of all sets, against the full ones", min=0.01)] = 1.0,
) -> None:
    """Write the sets: train, dev, test; lid_*, vad_*, punc_*; phrases; talk_test; lm_train, lm_dev; noise."""
    sets, texts = planned(seed, scale)
    for name, rows in texts.items():
        write_table(out / name / "text", rows)
    write_noises(out / "noise", scaled(NOISES, scale), seed)
    write_sets(out, sets, nj, seed)


def write_sets(out: Path, sets: Mapping[str, list[Task]], nj: int, seed: int) -> None:
    """Make the recordings of each set and write its data directory, with so many processes side by side."""
    with ProcessPoolExecutor(nj, get_context("spawn"), max_tasks_per_child=1) as pool:
        made = {}
        for name, tasks in sets.items():
            shards = (tasks[first : first + _SHARD] for first in range(0, len(tasks), _SHARD))
            made[name] = [pool.submit(render, shard, out.absolute() / "wav" / name, seed) for shard in shards]
        for name, futures in made.items():
            write(out / name, [recording for future in futures for recording in future.result()])


def write(out: Path, recordings: list[Recording]) -> None:
    """Write a set, without the utterances in which espeak-ng does not tell the time of every word."""
    good = [recording for recording in recordings if not recording.words or has_exact_times(recording)]
    write_recordings(out, good)
    hours = sum(recording.seconds for recording in good) / 3600
    print(f"{out.name}: {len(good)} recordings, {hours:.2f} hours; {len(recordings) - len(good)} skipped")


def write_noises(folder: Path, count: int, seed: int) -> None:
    """Write so many recordings of noise alone."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        samples = levelled(noise(rng, _NOISE_SECONDS), _NOISE_LEVEL)
        soundfile.write(folder / f"noise-{number:03d}.wav", samples, SAMPLE_RATE, "PCM_16")


def scaled_all(counts: Mapping[str, int], scale: float) -> dict[str, int]:
    """So many of each."""
    return {name: scaled(count, scale) for name, count in counts.items()}


def scaled(count: int, scale: float) -> int:
    """So many, but one at least."""
    return max(1, round(count * scale))


if __name__ == "__main__":
    typer.run(main)
