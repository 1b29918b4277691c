"""Utterances cut out of a long compressed recording, which is decoded once, into one tar file of flac."""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.corpora.tars import add_file
from firered.data.atomic import replacing
from firered.errors import AudioError

_OVERSHOOT_S = 0.1  # what a segment may end after its recording; it is cut there


@dataclass(frozen=True)
class Stretch:
    """An utterance of a recording: id, transcript, start and end in seconds."""

    key: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Cut:
    """What was cut out of a recording: places of the audio, with seconds, and what is wrong with the rest, by id."""

    places: dict[str, tuple[str, float]]
    failed: dict[str, str]


def cut(recording: Path, stretches: Sequence[Stretch], tar: Path) -> Cut:
    """Cut the stretches out of a recording, or find that this was done before.

    Args:
        recording: any audio.
        stretches: of it, in any order; they may overlap.
        tar: file to write, with KEY.flac (16 kHz, mono, 16 bits) for each; what is in it is noted beside it.
    """
    notes = tar.with_suffix(".json")
    if notes.is_file() and tar.is_file():
        known = json.loads(notes.read_text(encoding="utf-8"))
        if known["stretches"] == [[own.key, own.start_s, own.end_s] for own in stretches]:
            return Cut(
                {key: (f"{tar.absolute()}:{at}", s) for key, (at, s) in known["places"].items()}, known["failed"]
            )
    places: dict[str, tuple[int, float]] = {}
    failed: dict[str, str] = {}
    with (
        replacing(tar, only_writer=True) as unfinished,
        tarfile.open(unfinished, "w:", format=tarfile.USTAR_FORMAT) as out,
    ):
        _cut_into(out, recording, stretches, places, failed)
    content = {
        "stretches": [[own.key, own.start_s, own.end_s] for own in stretches],
        "places": places,
        "failed": failed,
    }
    with replacing(notes, only_writer=True) as unfinished:
        unfinished.write_text(json.dumps(content), encoding="utf-8")
    return Cut({key: (f"{tar.absolute()}:{at}", seconds) for key, (at, seconds) in places.items()}, failed)


def _cut_into(
    out: tarfile.TarFile,
    recording: Path,
    stretches: Sequence[Stretch],
    places: dict[str, tuple[int, float]],
    failed: dict[str, str],
) -> None:
    """Go through a recording block by block; in memory are a block and the stretches that are open."""
    from firered.audio.load import read_blocks  # loads torch, which nothing else here needs

    waiting = sorted(stretches, key=lambda own: own.start_s, reverse=True)
    under_way: list[tuple[Stretch, list[np.ndarray]]] = []
    at = 0
    try:
        for block in read_blocks(recording, AudioConfig()):
            end = at + len(block)
            while waiting and _sample(waiting[-1].start_s) < end:
                under_way.append((waiting.pop(), []))
            for own, parts in under_way:
                first, last = _sample(own.start_s), _sample(own.end_s)
                parts.append(block[max(0, first - at) : max(0, last - at)])
            for own, parts in [one for one in under_way if _sample(one[0].end_s) <= end]:
                places[own.key] = _add(out, own, parts)
            under_way = [one for one in under_way if _sample(one[0].end_s) > end]
            at = end
            if not waiting and not under_way:
                return
    except AudioError as error:
        failed.update({own.key: str(error) for own in [*waiting, *(own for own, _ in under_way)]})
        return
    for own, parts in under_way:
        if _sample(own.end_s) - at <= _sample(_OVERSHOOT_S):
            places[own.key] = _add(out, own, parts)
        else:
            failed[own.key] = f"it ends at {own.end_s:.3f} s, its recording at {at / SAMPLE_RATE:.3f} s"
    failed.update(
        {
            own.key: f"it begins at {own.start_s:.3f} s, its recording ends at {at / SAMPLE_RATE:.3f} s"
            for own in waiting
        }
    )


def _add(out: tarfile.TarFile, own: Stretch, parts: Sequence[np.ndarray]) -> tuple[int, float]:
    """Add a stretch to the tar file; the byte at which its audio begins, and its seconds."""
    samples = np.clip(np.round(np.concatenate(parts)), -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    return add_file(out, f"{own.key}.flac", file.getvalue()), len(samples) / SAMPLE_RATE


def _sample(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
