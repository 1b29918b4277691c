"""Longer utterances: sentences of one speaker in a row, with short pauses; so many of them, or so many seconds."""

import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from hallucination_sets import words_of

from firered.audio.framing import SAMPLE_RATE
from firered.data.datadir import DataDir, spk2utt_of, write_lines, write_table
from firered.errors import DataError, FireRedError, OptionError
from firered.text.joining import join_texts

PAUSE_S = 0.3  # between sentences


def drawn(speakers: dict[str, list[str]], fewest: int, most: int, rng: random.Random) -> Iterator[list[str]]:
    """Utterances of one speaker that come in a row, each in one row at most; too few for a row are left out."""
    rows = []
    for own in speakers.values():
        keys = list(own)
        rng.shuffle(keys)
        while len(keys) >= (count := rng.randint(fewest, most)):
            rows.append([keys.pop() for _ in range(count)])
    rng.shuffle(rows)
    yield from rows


def long_rows(data: DataDir, seconds: float) -> Iterator[list[str]]:
    """Utterances of one speaker and language in a row, as they are listed, until it lasts over so many seconds."""
    audio, speakers, languages = data.wav_scp or {}, data.utt2spk or {}, data.utt2lang or {}
    waiting: dict[tuple[str, str], list[str]] = {}
    lasts: dict[tuple[str, str], float] = {}
    for key in data.utterances():
        kind = speakers[key], languages.get(key, "")
        before = lasts[kind] + PAUSE_S if kind in waiting else 0.0
        waiting.setdefault(kind, []).append(key)
        lasts[kind] = before + soundfile.info(data.path / audio[key]).duration
        if lasts[kind] > seconds:
            yield waiting.pop(kind)


def joined(data: DataDir, keys: Sequence[str]) -> tuple[np.ndarray, list[float]]:
    """Samples of utterances in a row, and when each begins in seconds."""
    audio, pieces, starts, at = data.wav_scp or {}, [], [], 0
    for key in keys:
        samples, rate = soundfile.read(data.path / audio[key], dtype="int16")
        if rate != SAMPLE_RATE:
            raise DataError(f"{audio[key]}: {rate} Hz instead of {SAMPLE_RATE}")
        starts.append(at / SAMPLE_RATE)
        pieces += [samples, np.zeros(round(PAUSE_S * SAMPLE_RATE), np.int16)]
        at += len(pieces[-2]) + len(pieces[-1])
    return np.concatenate(pieces[:-1]), starts


def write_rows(data: DataDir, rows: Sequence[Sequence[str]], out: Path, ending: str) -> None:
    """Write a data directory of rows, with utt2lang and a ctm where the data has them; ids end with `ending`."""
    tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2dur", "utt2spk", "utt2lang")}
    folder, lines, times = out.absolute() / "wav", [], data.path / "ctm"
    texts, speakers, languages = data.text or {}, data.utt2spk or {}, data.utt2lang or {}
    words = words_of(times) if times.exists() else {}
    folder.mkdir(parents=True, exist_ok=True)
    for keys in rows:
        samples, starts = joined(data, keys)
        first, name = keys[0], f"{keys[0]}-{ending}"
        path = folder / f"{name}.wav"
        soundfile.write(path, samples, SAMPLE_RATE, "PCM_16")
        seconds, text = f"{len(samples) / SAMPLE_RATE:.3f}", join_texts(texts[key] for key in keys)
        values = str(path), text, seconds, speakers[first], languages.get(first, "")
        for table, value in zip(tables.values(), values, strict=True):
            table[name] = value
        for key, at in zip(keys, starts, strict=True):
            lines += [f"{name} 1 {at + start:.3f} {end - start:.3f} {word}" for start, end, word in words.get(key, ())]
    if not languages:
        del tables["utt2lang"]
    for table_name, table in tables.items():
        write_table(out / table_name, table)
    write_table(out / "spk2utt", spk2utt_of(tables["utt2spk"]))
    if lines:
        write_lines(out / "ctm", sorted(lines, key=lambda line: (line.split()[0], float(line.split()[2]))))


def main(
    data: Annotated[Path, typer.Argument(help="data directory, without segments")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
    fewest: Annotated[int, typer.Option(help="sentences in a row at least", min=2)] = 2,
    most: Annotated[int, typer.Option(help="sentences in a row at most", min=2)] = 4,
    rows: Annotated[int, typer.Option(help="to write, at most", min=1)] = 100000,
    seed: Annotated[int, typer.Option(help="of what is drawn", min=0)] = 1,
    seconds: Annotated[float, typer.Option(help="a row lasts over so many; fewest and most do not count then")] = 0.0,
) -> None:
    """Write the data directory."""
    try:
        if fewest > most:
            raise OptionError(f"fewest: {fewest} is more than most, {most}")
        source = DataDir(data)
        if seconds:
            found = list(islice(long_rows(source, seconds), rows))
        else:
            own = spk2utt_of({key: (source.utt2spk or {})[key] for key in source.utterances()})
            speakers = {name: keys.split() for name, keys in own.items()}
            found = list(drawn(speakers, fewest, most, random.Random(seed)))[:rows]
        if not found:
            raise DataError(f"{data}: no speaker has {f'over {seconds} s' if seconds else f'{fewest} utterances'}")
        write_rows(source, found, out, "long" if seconds else "row")
    except FireRedError as error:
        sys.exit(f"in_a_row.py: {error}")


if __name__ == "__main__":
    typer.run(main)
