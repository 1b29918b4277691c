"""Utterances, speakers and hours of data directories, and their table of durations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from firered.cli.flags import run
from firered.data.datadir import DataDir, write_lines, write_table
from firered.data.lines import read_lines
from firered.data.write import seconds


def durations(data: DataDir) -> dict[str, float]:
    """The seconds of each utterance, from tables or the headers of recordings; what cannot be read is not in it."""
    known = data.durations()
    recordings = data.wav_scp or {}
    for key in data.utterances():
        if key not in known and data.segments is None:
            try:
                header = soundfile.info(recordings[key])
                known[key] = header.frames / header.samplerate
            except (KeyError, RuntimeError, OSError):
                continue  # features, a pipe, or a format that the library has no part in
    return known


def _values(table: Path) -> Iterator[str]:
    return (line.split()[1] for _, line in read_lines(table))


def _of_tables(path: Path) -> str:
    """The line of a directory with durations, whose tables are read line by line: there may be millions of them."""
    cut = path / "segments"
    utterances = sum(1 for _ in read_lines(cut if cut.exists() else path / "wav.scp"))
    count, total = 0, 0.0
    for value in _values(path / "utt2dur"):
        count, total = count + 1, total + float(value)
    speakers = len(set(_values(path / "utt2spk"))) if (path / "utt2spk").exists() else 0
    hours = f"{total / 3600:.4g}" if count == utterances else "-"
    return f"{path.parent.name}\t{utterances}\t{speakers or '-'}\t{hours}"


def main(
    table: Annotated[Path, typer.Argument(help="table to write")],
    directories: Annotated[list[Path], typer.Argument(help="data directories, <set>/data")],
) -> None:
    """Write `set utterances speakers hours` of each, and utt2dur into those that have none."""
    lines = ["set\tutterances\tspeakers\thours"]
    for path in directories:
        if (path / "utt2dur").exists():
            lines.append(_of_tables(path))
            print(lines[-1].replace("\t", "  "))
            continue
        data = DataDir(path)
        known = durations(data)
        utterances = list(data.utterances())
        if len(known) == len(utterances):
            write_table(path / "utt2dur", {key: seconds(known[key]) for key in utterances})
        hours = f"{sum(known.values()) / 3600:.4g}" if len(known) == len(utterances) else "-"
        speakers = len(set((data.utt2spk or {}).values())) or "-"
        lines.append(f"{path.parent.name}\t{len(utterances)}\t{speakers}\t{hours}")
        print(lines[-1].replace("\t", "  "))
    write_lines(table, lines)


if __name__ == "__main__":
    run(main)
