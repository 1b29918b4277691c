"""A clean test set and its mixes with noise as one data directory, with the tables utt2env and utt2snr."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import DataDir, write_table
from firered.errors import FireRedError

CLEAN = "clean"


def tables(clean: Path, mixes: Path) -> dict[str, dict[str, str]]:
    """The tables of the data directory."""
    found: dict[str, dict[str, str]] = {name: {} for name in ("wav.scp", "text", "utt2lang", "utt2env", "utt2snr")}
    for name in ("", *(mixes / "sets").read_text(encoding="utf-8").split()):
        data = DataDir(mixes / name / "data" if name else clean)
        audio, texts, languages = data.wav_scp or {}, data.text or {}, data.utt2lang or {}
        environments, ratios = data.table("utt2env") or {}, data.table("utt2snr") or {}
        for key in data.utterances():
            own = f"{key}-{name or CLEAN}"
            found["wav.scp"][own], found["text"][own] = audio[key], texts[key]
            found["utt2lang"][own] = languages.get(key, "zh")
            found["utt2env"][own], found["utt2snr"][own] = environments.get(key, CLEAN), ratios.get(key, CLEAN)
    return found


def main(
    clean: Annotated[Path, typer.Argument(help="data directory")],
    mixes: Annotated[Path, typer.Argument(help="what egs/noise/local/prepare.py made of it")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
) -> None:
    """Write the data directory."""
    try:
        found = tables(clean, mixes)
        for name, table in found.items():
            write_table(out / name, table)
        write_table(out / "utt2spk", {key: key for key in found["text"]})
        write_table(out / "spk2utt", {key: key for key in found["text"]})
    except (FireRedError, OSError) as error:
        sys.exit(f"noise_test.py: {error}")


if __name__ == "__main__":
    typer.run(main)
