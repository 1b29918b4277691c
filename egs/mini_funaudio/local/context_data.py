"""Speech in which names sound alike and are written differently (homophones.py): data directories for part `context`.

train, dev and test are single utterances; `keywords` has the name in each, `previous` something that was said before.
sounds_train and sounds_dev have the same utterances with all names written as in the first column: as they sound.
conversations has recordings of one speaker about one person, whose title is said in the first sentence alone, and the
sentences as utterances of their own in `sentences`.
"""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from homophones import TITLES, Homophones, Said
from make_corpus import VOICES, scaled, write_sets
from shards import Line, Task
from synth import SAMPLE_RATE, Voice

from firered.data.datadir import DataDir, read_table, write_lines, write_table
from firered.data.partition import subset
from firered.errors import FireRedError

SIZES = {"train": 3000, "dev": 60, "test": 150}
TITLED = {"train": 0.3, "dev": 0.3, "test": 0.0}  # shares of sentences with a title
BEFORE = 0.5  # share of sentences of which something is known that was said before
CONVERSATIONS = {"to 30 s": (8, 8), "30 to 300 s": (3, 30), "over 300 s": (1, 150)}  # how many, of how many sentences
_PITCH, _SPEED = (30, 70), (170, 230)
_GAP_S = 0.3  # between the sentences of a conversation


@dataclass(frozen=True)
class Utterance:
    """A sentence, its id and its voice, and what was said before it, if anything is known."""

    key: str
    said: Said
    voice: Voice
    before: str = ""


def drawn_voice(rng: random.Random, variants: Sequence[str]) -> Voice:
    """A voice of the set with any pitch and speed."""
    return Voice(rng.choice(variants), rng.randint(*_PITCH), rng.randint(*_SPEED))


def utterances(part: str, count: int, rng: random.Random) -> list[Utterance]:
    """So many sentences with names of a set."""
    names, found = Homophones(part), []
    for number in range(count):
        titled, column = rng.random() < TITLED[part], number % len(TITLES)
        sound, voice = rng.choice(names.sounds), drawn_voice(rng, VOICES[part])
        said = names.sentence(rng, sound, column, titled=titled)
        before = names.sentence(rng, sound, column, titled=rng.random() < 0.5).text if rng.random() < BEFORE else ""
        found.append(Utterance(f"{voice.variant}-{part}-{number:05d}", said, voice, before))
    return found


def conversations(scale: float, rng: random.Random) -> dict[str, tuple[str, list[Utterance]]]:
    """Conversations by id: how long they are, and the sentences."""
    names, found = Homophones("test"), {}
    for length, (count, sentences) in CONVERSATIONS.items():
        for _ in range(scaled(count, scale)):
            voice, sound, column = (
                drawn_voice(rng, VOICES["test"]),
                rng.choice(names.sounds),
                rng.randrange(len(TITLES)),
            )
            key, said = f"{voice.variant}-talk-{len(found):03d}", []
            for number in range(max(2, scaled(sentences, scale))):
                own = names.sentence(rng, sound, column, titled=number == 0)
                before = said[-1].said.text if said else ""
                said.append(Utterance(f"{key}-{number:03d}", own, voice, before))
            found[key] = (length, said)
    return found


def tasks(said: Sequence[Utterance], *, varied: bool) -> list[Task]:
    """What is to be synthesised."""
    return [Task(own.key, (Line(own.said.spoken, "zh", own.voice),), varied=varied) for own in said]


def write_texts(data: Path, said: Sequence[Utterance]) -> None:
    """Write what is to be written, the names in it and what was said before, of what could be synthesised."""
    there = read_table(data / "text").keys()
    own = [utterance for utterance in said if utterance.key in there]
    write_table(data / "text", {utterance.key: utterance.said.text for utterance in own})
    write_table(data / "keywords", {utterance.key: utterance.said.name for utterance in own})
    write_table(data / "previous", {utterance.key: utterance.before for utterance in own if utterance.before})


def write_sounds(data: Path, out: Path, said: Sequence[Utterance]) -> None:
    """Write a data directory of the same recordings with texts as they sound."""
    source = DataDir(data)
    subset(source, source.utterances(), out)
    there = set(source.utterances())
    write_table(out / "text", {own.key: own.said.spoken for own in said if own.key in there})


def join(sentences: DataDir, talks: dict[str, tuple[str, list[Utterance]]], out: Path) -> None:
    """Write conversations as recordings with segments."""
    audio, texts = sentences.wav_scp or {}, sentences.text or {}
    (out.absolute() / "wav").mkdir(parents=True, exist_ok=True)
    recordings, lengths, segments = {}, {}, []
    for key, (length, said) in talks.items():
        pieces, at = [], 0.0
        for number, own in enumerate(utterance.key for utterance in said if utterance.key in texts):
            samples, _ = soundfile.read(audio[own], dtype="float32")
            pieces += [np.zeros(round(_GAP_S * SAMPLE_RATE * (number > 0)), np.float32), samples]
            start = at + len(pieces[-2]) / SAMPLE_RATE
            at = start + len(samples) / SAMPLE_RATE
            segments.append(f"{own} {key} {start:.3f} {at:.3f}")
            lengths[own] = length.replace(" ", "_")
        recordings[key] = str(out.absolute() / "wav" / f"{key}.wav")
        soundfile.write(recordings[key], np.concatenate(pieces), SAMPLE_RATE, "PCM_16")
    write_table(out / "wav.scp", recordings)
    write_lines(out / "segments", sorted(segments))
    for name, table in (("text", texts), ("utt2span", lengths)):
        write_table(out / name, table)


def main(
    out: Annotated[Path, typer.Argument(help="folder of the data directories")],
    scale: Annotated[float, typer.Option(help="size of all sets, against the full ones", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option(help="of all that is drawn", min=0)] = 1,
) -> None:
    """Write the data directories."""
    try:
        rng = random.Random(seed)
        sets = {part: utterances(part, scaled(count, scale), rng) for part, count in SIZES.items()}
        talks = conversations(scale, rng)
        sets["sentences"] = [own for _, said in talks.values() for own in said]
        made = {part: tasks(said, varied=part in ("train", "dev")) for part, said in sets.items()}
        write_sets(out, made, 1, seed)
        for part, said in sets.items():
            write_texts(out / part, said)
            if part in ("train", "dev"):
                write_sounds(out / part, out / f"sounds_{part}", said)
        join(DataDir(out / "sentences"), talks, out / "conversations")
    except FireRedError as error:
        sys.exit(f"context_data.py: {error}")


if __name__ == "__main__":
    typer.run(main)
