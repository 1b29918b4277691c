"""Mixtures of speech, singing, music and noise with the exact times of each, and music and noise alone."""

import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from clips import Clip, Recorded, speech_clips

from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE
from firered.cli.flags import run
from firered.corpora import musan, opencpop
from firered.corpora.ami import read_meetings
from firered.corpora.corpus_set import CorpusSet
from firered.corpora.files import recipe_table
from firered.corpora.mixtures import MUSIC, SINGING, Event, mixture
from firered.corpora.splits import DEV, TEST, TRAIN, held_out
from firered.data.atomic import replacing
from firered.data.datadir import spk2utt_of, write_lines, write_table
from firered.data.write import rttm, seconds
from firered.errors import AudioError, DataError
from firered.options import Options, option
from firered.runs.noise import Noise

log = logging.getLogger("prepare")

PARTS = (TRAIN, DEV, TEST)
TABLES = Path(__file__).resolve().parents[1] / "tables"
_FEWEST = 3  # recordings of music and of noise: one for each part


@dataclass(frozen=True)
class MixturesConfig(Options):
    """How many mixtures, and how long."""

    hours: float = option(20.0, "hours of mixtures for training", low=0.001)
    dev_hours: float = option(0.5, "and for evaluation while training", low=0.001)
    test_hours: float = option(2.0, "and for the test", low=0.001)
    alone_hours: float = option(0.5, "hours of music alone in the test, and of noise alone, at most", low=0.001)
    seconds: float = option(30.0, "length of a recording in seconds", low=5.0)
    music_share: float = option(0.6, "share of mixtures with music under a part of them", low=0, high=1)
    seed: int = option(0, "seed of all random numbers", low=0)
    nj: int = option(1, "processes", low=1)

    def hours_of(self, part: str) -> float:
        """Hours of mixtures of train, dev or test."""
        return {TRAIN: self.hours, DEV: self.dev_hours, TEST: self.test_hours}[part]


@dataclass(frozen=True)
class Task:
    """Recordings of a set that are to be made; each is drawn by its own id, whichever process makes it."""

    folder: Path
    keys: Sequence[str]
    config: MixturesConfig

    def rng(self, key: str) -> np.random.Generator:
        """The random numbers of a recording."""
        return np.random.default_rng([self.config.seed, zlib.crc32(key.encode())])


@dataclass
class Made:
    """Recordings that were made: their events and lengths by id, and what could not be read."""

    events: dict[str, list[Event]] = field(default_factory=dict)
    lengths_s: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def mix(task: Task, sources: Recorded) -> Made:
    """Make mixtures."""
    made = Made(problems=sources.problems)
    for key in task.keys:
        samples, made.events[key] = mixture(
            task.rng(key), sources, task.config.seconds, music_share=task.config.music_share
        )
        made.lengths_s[key] = len(samples) / SAMPLE_RATE
        _write(task.folder / f"{key}.wav", samples)
    return made


def alone(task: Task, recordings: Mapping[str, Noise], label: str) -> Made:
    """Cut one stretch out of the recording of each id; label: of its whole length, or none."""
    made = Made()
    for key in task.keys:
        size = round(task.config.seconds * SAMPLE_RATE)
        try:
            samples, _ = recordings[key].drawn_excerpt(size, task.rng(key))
        except AudioError as error:
            made.problems[recordings[key].key] = str(error)
            continue
        made.events[key] = [(0.0, task.config.seconds, label)] if label else []
        made.lengths_s[key] = task.config.seconds
        _write(task.folder / f"{key}.wav", samples / INT16_SCALE)
    return made


def _write(path: Path, samples: np.ndarray) -> None:
    with replacing(path, only_writer=True) as unfinished:
        soundfile.write(unfinished, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")


@dataclass(frozen=True)
class Corpora:
    """What is mixed, by part: clips of meetings and of songs, recordings of music and of noise; and the meetings."""

    sources: Mapping[str, Recorded]
    meetings: Mapping[str, CorpusSet]


def read(musan_folder: Path, ami: Path, songs: Path | None) -> tuple[Corpora, list[str]]:
    """The corpora by part, and lines `id reason` of what is left out.

    Raises:
        DataError: a corpus cannot be read, or has too little for a part.
    """
    music, with_voices = musan.read_music(musan_folder)
    noise = musan.read_noise(musan_folder)
    left_out = [f"{key} music with voices, or not in ANNOTATIONS: when they sing is not known" for key in with_voices]
    for what, recordings in (("music without voices", music), ("noise", noise)):
        if len(recordings) < _FEWEST:
            raise DataError(f"{musan_folder}: {len(recordings)} recordings of {what}; each set needs one of its own")
    of_meetings = _meetings(ami)
    sung = _songs(songs) if songs else {part: [] for part in PARTS}
    music_parts, noise_parts = (held_out(recording.key for recording in found) for found in (music, noise))
    sources = {}
    for part in PARTS:
        speech = [
            clip
            for entry in of_meetings[part].entries.values()
            if isinstance(entry.audio, Path)
            for clip in speech_clips(entry.audio, entry.speech or ())
        ]
        if not speech:
            raise DataError(f"{ami}: no labelled speech in a meeting of the {part} set ({TABLES}/ami_sets.tsv)")
        own_music = [recording for recording in music if music_parts[recording.key] == part]
        own_noise = [recording for recording in noise if noise_parts[recording.key] == part]
        sources[part] = Recorded(speech, sung[part], own_music, own_noise)
    return Corpora(sources, of_meetings), left_out


def _meetings(ami: Path) -> dict[str, CorpusSet]:
    """The meetings of each part."""
    found = read_meetings(ami, "ami")
    beginnings = recipe_table(TABLES / "ami_sets.tsv")

    def part_of(meeting: str) -> str:
        return next((part for beginning, part in beginnings.items() if meeting.startswith(beginning)), TRAIN)

    sets = {}
    for part in PARTS:
        entries = {key: entry for key, entry in found.entries.items() if part_of(key) == part}
        missing = [line for line in found.missing if part_of(line) == part]
        left_out = found.left_out if part == TRAIN else []
        sets[part] = replace(found, name=f"ami_{part}", entries=entries, missing=missing, left_out=left_out)
    return sets


def _songs(corpus: Path) -> dict[str, list[Clip]]:
    """The phrases of Opencpop by part: its own test set, and of its training songs one in ten for dev."""
    phrases = {part: list(opencpop.phrases(corpus, part)) for part in (TRAIN, TEST)}
    songs = held_out((phrase.song for phrase in phrases[TRAIN]), test=0)
    found: dict[str, list[Clip]] = {part: [] for part in PARTS}
    for part, of_part in phrases.items():
        for phrase in of_part:
            chosen = songs[phrase.song] if part == TRAIN else TEST
            if phrase.sung:
                found[chosen].append(Clip(phrase.wav, 0.0, float("inf"), tuple(phrase.sung), SINGING))
    for part, clips in found.items():
        if not clips:
            raise DataError(f"{corpus}: no phrase for the {part} set: needed are two songs in train.txt, and test.txt")
    return found


def main(
    musan_folder: Annotated[Path, typer.Argument(metavar="MUSAN", help="the corpus, or a folder with musan/ in it")],
    ami: Annotated[Path, typer.Argument(help="AMI, or excerpts of it, with RTTM files")],
    out: Annotated[Path, typer.Argument(help="folder for the data directories")],
    options: MixturesConfig,
    opencpop_folder: Annotated[
        Path | None, typer.Option("--opencpop", help="Opencpop; without it nobody sings", show_default=False)
    ] = None,
) -> None:
    """Write mix_{train,dev,test}, ami_{train,dev,test}, music_test and noise_test below OUT."""
    corpora, left_out = read(musan_folder, ami, opencpop_folder)
    sources = corpora.sources
    with ProcessPoolExecutor(options.nj, get_context("spawn")) as pool:
        for part in PARTS:
            count = max(1, round(options.hours_of(part) * 3600 / options.seconds))
            keys = [f"mix-{part}-{number:06d}" for number in range(count)]
            make(pool, out / f"mix_{part}", keys, partial(mix, sources=sources[part]), options)
        for kind, recordings in (("music", sources[TEST].music_recordings), ("noise", sources[TEST].noise_recordings)):
            places = dict(_turns(kind, recordings, options))
            label = MUSIC if kind == "music" else ""
            make(pool, out / f"{kind}_test", list(places), partial(alone, recordings=places, label=label), options)
    for part, meetings in corpora.meetings.items():
        meetings.write(out / f"ami_{part}", allow_missing=False)
    write_lines(out / "skipped.txt", left_out)


def _turns(kind: str, recordings: Sequence[Noise], config: MixturesConfig) -> Iterator[tuple[str, Noise]]:
    """Ids of the excerpts and the recording of each, in turn; no more seconds than the recordings have."""
    known_s = sum(recording.duration_s for recording in recordings)
    wanted_s = min(known_s, config.alone_hours * 3600)
    for number in range(max(1, round(wanted_s / config.seconds))):
        yield f"{kind}-{number:06d}", recordings[number % len(recordings)]


def make(pool: ProcessPoolExecutor, out: Path, keys: list[str], do: partial, config: MixturesConfig) -> None:
    """Make the recordings of a set in the pool's processes, and write its data directory and `skipped.txt`."""
    sounds = zlib.crc32(repr(sorted(do.keywords.items())).encode())
    stamp = f"{config.seed} {config.seconds} {config.music_share} {len(keys)} {sounds}"  # all that it depends on
    if (out / "made").is_file() and (out / "made").read_text().strip() == stamp:
        log.info("%s: is there", out)
        return
    folder = out.absolute() / "wav"
    shares = [keys[first :: config.nj] for first in range(config.nj)]
    made = Made()
    for of_process in pool.map(do, [Task(folder, share, config) for share in shares if share]):
        made.events |= of_process.events
        made.lengths_s |= of_process.lengths_s
        made.problems |= of_process.problems
    own = {key: key for key in made.events}
    write_table(out / "wav.scp", {key: str(folder / f"{key}.wav") for key in made.events})
    write_table(out / "utt2spk", own)
    write_table(out / "spk2utt", spk2utt_of(own))
    write_table(out / "utt2dur", {key: seconds(length) for key, length in made.lengths_s.items()})
    write_lines(out / "rttm", "".join(rttm(key, made.events[key]) for key in sorted(made.events)).splitlines())
    write_lines(out / "skipped.txt", [f"{key} {reason}" for key, reason in sorted(made.problems.items())])
    if made.problems:
        log.warning("%s: %d recordings cannot be read: %s/skipped.txt", out, len(made.problems), out)
    write_lines(out / "made", [stamp])
    log.info("%s: %d recordings, %.2f h", out, len(own), sum(made.lengths_s.values()) / 3600)


if __name__ == "__main__":
    run(main)
