"""Data directories to score, and the commands that score them."""

import json
import sys
from pathlib import Path

import pytest

from firered.cli import score as cli


def write_side(folder: Path, **tables: dict) -> Path:
    """A data directory with these tables; `wav_scp` stands for wav.scp and `probs_scp` for probs.scp."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        lines = "".join(f"{key} {value}".rstrip() + "\n" for key, value in sorted(table.items()))
        (folder / name.replace("_scp", ".scp")).write_text(lines, encoding="utf-8")
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit status of firered-score."""
    monkeypatch.setattr(sys, "argv", ["firered-score", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.score()
    return ended.value.code or 0


def score_of(out: Path) -> dict:
    """score.json."""
    return json.loads((out / "score.json").read_text(encoding="utf-8"))


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table between tabs, by their first cell."""
    heading, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
