"""Data of the part grpo: sentences in other voices, sets put together, lists of keywords."""

import re
import sys
import zlib
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer

from firered.audio.frontend import SAMPLE_RATE
from firered.data.datadir import DataDir, spk2utt_of, write_lines, write_table
from firered.errors import FireRedError

_WORD = re.compile(r"[a-z']{4,}")
_FEW, _MANY = 0.005, 0.05  # of the utterances have a keyword

app = typer.Typer(add_completion=False)
Source = Annotated[Path, typer.Argument(help="data directory")]
Out = Annotated[Path, typer.Argument(help="data directory to write")]


@app.command()
def voices(data: Source, names: Annotated[Path, typer.Argument(help="file of voices")], out: Out) -> None:
    """Its texts in other voices, in turn. Needs egs/mini/local in PYTHONPATH."""
    from synth import Synthesiser, Voice

    source, speaker = DataDir(data), Synthesiser()
    labels, texts = source.utt2lang or {}, source.text or {}
    tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2lang", "utt2dur")}
    folder = out.absolute() / "wav"
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in zip(source.utterances(), cycle(names.read_text(encoding="utf-8").split()), strict=False):
        language, _, dialect = labels[key].partition(" ")
        samples = speaker.say("yue" if dialect == "yue" else language, texts[key], Voice(name, 50, 200)).samples
        path = folder / f"{name}-{key}.wav"
        soundfile.write(path, np.clip(samples, -1, 1), SAMPLE_RATE)
        row = str(path), texts[key], labels[key], f"{len(samples) / SAMPLE_RATE:.3f}"
        for table, value in zip(tables.values(), row, strict=True):
            table[path.stem] = value
    _finish(out, tables)


def _finish(out: Path, tables: dict[str, dict[str, str]]) -> None:
    for name, table in tables.items():
        write_table(out / name, table)
    speakers = {key: key for key in tables["text"]}
    write_table(out / "utt2spk", speakers)
    write_table(out / "spk2utt", spk2utt_of(speakers))


@app.command()
def together(
    out: Out, kinds: Annotated[list[str], typer.Argument(help="KIND=DIR, a data directory and its kind")]
) -> None:
    """Several data directories as one, with the table utt2kind."""
    tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2lang", "utt2dur", "utt2kind")}
    for kind, _, folder in (one.partition("=") for one in kinds):
        data = DataDir(folder)
        audio = data.wav_scp or {}
        for key in data.utterances():
            own = f"{key}-{kind}"
            path = (data.path / audio[key]).absolute()
            tables["wav.scp"][own] = str(path)
            tables["text"][own], tables["utt2lang"][own] = (data.text or {})[key], (data.utt2lang or {})[key]
            tables["utt2dur"][own], tables["utt2kind"][own] = f"{soundfile.info(path).duration:.3f}", kind
    _finish(out, tables)


@app.command()
def keywords(data: Source, out: Annotated[Path, typer.Argument(help="folder of listed.txt and unlisted.txt")]) -> None:
    """English words that are neither rare nor common, a half for each of two lists."""
    texts = DataDir(data).text or {}
    listed, unlisted = halves(list(texts.values()))
    write_lines(out / "listed.txt", listed)
    write_lines(out / "unlisted.txt", unlisted)


def halves(texts: list[str]) -> tuple[list[str], list[str]]:
    """Words that 0.5 to 5% of texts have, in two halves by their checksum: other texts halve them alike."""
    counts = Counter(word for text in texts for word in set(_WORD.findall(text)))
    found: tuple[list[str], list[str]] = [], []
    for word, count in sorted(counts.items()):
        if _FEW <= count / len(texts) <= _MANY:
            found[zlib.crc32(word.encode()) % 2].append(word)
    return found


if __name__ == "__main__":
    try:
        app()
    except FireRedError as error:
        sys.exit(f"grpo_sets.py: {error}")
