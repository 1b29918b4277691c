"""Recordings in which there is nothing to write, or nothing after a point: what a recogniser writes is invented.

All but digital silence, room noise, music, and speech that is cut off in the middle of a word and followed by silence.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer

from firered.audio.framing import SAMPLE_RATE
from firered.data.datadir import DataDir, spk2utt_of, write_table
from firered.errors import DataError, FireRedError
from firered.text.joining import join_texts

LENGTHS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0)  # seconds of what has no speech
_ROOM = 0.003  # root of the mean square of room noise, some 50 dB below full scale
_AFTER_S = 1.5  # silence after what is cut off


def without_speech(noises: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind, id and samples of recordings without speech."""
    rng = np.random.default_rng(5)
    for length in LENGTHS:
        size = round(length * SAMPLE_RATE)
        for number in range(3):
            # Zeros alone are refused before a model sees them.
            yield "silence", f"silence-{length:g}-{number}", rng.integers(-1, 2, size) / 32768
            yield "room", f"room-{length:g}-{number}", _ROOM * rng.standard_normal(size)
        for place in ("street", "machine", "music"):
            for path in sorted((noises / place).glob("*.wav")):
                samples, _ = soundfile.read(path, dtype="float64")
                kind = "music" if place == "music" else "noise"
                yield kind, f"{place}-{length:g}-{path.stem}", samples[:size]


def words_of(ctm: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Start, end and text of the words of each recording."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for line in ctm.read_text(encoding="utf-8").splitlines():
        key, _, start, length, word = line.split()[:5]
        found.setdefault(key, []).append((float(start), float(start) + float(length), word))
    return found


def cut_off(data: DataDir, ctm: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    """Id, samples and text of utterances that end in the middle of a word; the text has the words before it."""
    audio, spoken = data.wav_scp or {}, words_of(ctm)
    for key in data.utterances():
        words = spoken.get(key, [])
        if len(words) < 4:
            continue
        at = 2 * len(words) // 3
        start, end, _ = words[at]
        samples, rate = soundfile.read(data.path / audio[key], dtype="float64")
        if rate != SAMPLE_RATE:
            raise DataError(f"{audio[key]}: expected {SAMPLE_RATE} Hz, has {rate}")
        kept = samples[: round((start + end) / 2 * SAMPLE_RATE)]
        silence = np.zeros(round(_AFTER_S * SAMPLE_RATE))
        yield f"cut-{key}", np.concatenate([kept, silence]), join_texts(word for *_, word in words[:at])


def main(
    data: Annotated[Path, typer.Argument(help="data directory of clean speech")],
    ctm: Annotated[Path, typer.Argument(help="times of its words")],
    noises: Annotated[Path, typer.Argument(help="folder of noise, a folder each kind")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
) -> None:
    """Write the recordings, with their kinds in utt2kind; those without speech have an empty text."""
    try:
        tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2kind", "utt2dur")}
        made = [(kind, key, samples, "") for kind, key, samples in without_speech(noises)]
        made += [("cut", key, samples, text) for key, samples, text in cut_off(DataDir(data), ctm)]
        folder = out.absolute() / "wav"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, key, samples, text in made:
            soundfile.write(folder / f"{key}.wav", np.clip(samples, -1, 1), SAMPLE_RATE)
            own = (str(folder / f"{key}.wav"), text, kind, f"{len(samples) / SAMPLE_RATE:.3f}")
            for table, value in zip(tables.values(), own, strict=True):
                table[key] = value
        for name, table in tables.items():
            write_table(out / name, table)
        write_table(out / "utt2spk", {key: key for key in tables["text"]})
        write_table(out / "spk2utt", spk2utt_of({key: key for key in tables["text"]}))
    except FireRedError as error:
        sys.exit(f"hallucination_sets.py: {error}")


if __name__ == "__main__":
    typer.run(main)
