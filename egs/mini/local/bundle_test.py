"""A few recordings of the test sets, to be kept beside the code, with their transcripts and times.

The paths in wav.scp count from the top of the repository, where commands are run; elsewhere they are absolute.
"""

import shutil
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from firered.data.datadir import DataDir, read_table, spk2utt_of, write_lines, write_table

_TOP = Path(__file__).resolve().parents[3]
_SETS = ("test", "talk_test")
_UTTERANCES = {"zh": 5, "en": 4, "yue": 2, "cs": 2}  # by grammar
_CONVERSATIONS = {"zh": 2, "en": 2, "yue": 1, "cs": 1}


def chosen(data: DataDir) -> list[str]:
    """The first utterances, or conversations, of each grammar in the order in which their sentences were drawn."""
    keys = sorted(data.wav_scp, key=lambda key: key.rpartition("-")[2])
    counts = _CONVERSATIONS if (data.path / "rttm").is_file() else _UTTERANCES
    return [key for name, count in counts.items() for key in [k for k in keys if f"-{name}-" in k][:count]]


def main(
    corpus: Annotated[Path, typer.Argument(help="folder of the corpus")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
) -> None:
    """Write audio as FLAC into OUT/wav, and the tables of a data directory."""
    shutil.rmtree(out / "wav", ignore_errors=True)  # other recordings of an earlier corpus
    (out / "wav").mkdir(parents=True)
    tables: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2spk", "utt2lang", "utt2dur")}
    lines: dict[str, list[str]] = {"ctm": [], "rttm": []}
    for name in _SETS:
        data = DataDir(corpus / name)
        keys = chosen(data)
        for table, rows in tables.items():
            found = read_table(data.path / table)
            rows |= {key: found[key] for key in keys}
        for file, kept in lines.items():
            if (data.path / file).is_file():
                found = data.lines(file)
                kept += [line for key in sorted(keys) for line in found[key]]
    for key, path in tables["wav.scp"].items():
        samples, rate = soundfile.read(path, dtype="int16")
        copy = out.resolve() / "wav" / f"{key}.flac"
        soundfile.write(copy, samples, rate)
        tables["wav.scp"][key] = str(copy.relative_to(_TOP) if copy.is_relative_to(_TOP) else copy)
    for table, rows in tables.items():
        write_table(out / table, rows)
    write_table(out / "spk2utt", spk2utt_of(tables["utt2spk"]))
    for file, kept in lines.items():
        write_lines(out / file, kept)


if __name__ == "__main__":
    typer.run(main)
