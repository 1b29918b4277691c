"""Hotwords of a data directory: tables that name lists, the lists, and the report of what became of their entries."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from firered.data.datadir import DataDir
from firered.data.lines import read_lines
from firered.errors import DataError

TABLES = ("utt2hotwords", "spk2hotwords", "reco2hotwords")  # ids to names of lists; the first that has one counts
LISTS = "hotwords"  # folder of the lists, NAME.txt
REPORT = "hotwords.tsv"
COLUMNS = ("hotword", "heard", "graph", "prompt", "corrected", "found", "note")
_COUNTS = slice(1, -1)


def list_path(directory: Path, name: str) -> Path:
    """Where the list of a name is."""
    return directory / LISTS / f"{name}.txt"


def copy_lists(source: Path, wanted: DataDir, out: Path) -> None:
    """Copy the lists of a data directory that the tables of `wanted` name, as far as they are there."""
    names = {name for table in TABLES for value in (wanted.table(table) or {}).values() for name in value.split()}
    for name in sorted(names):
        path, copy = list_path(source, name), list_path(out, name)
        if path.is_file() and path.resolve() != copy.resolve():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def report_lines(rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a report."""
    return ["\t".join(COLUMNS), *("\t".join(row) for row in rows)]


def merged_reports(paths: Sequence[Path]) -> list[str]:
    """The lines of one report for several: counts are added, a note stays where all have it.

    Raises:
        DataError: a line is none of a report.
    """
    rows: dict[str, list[str]] = {}
    for path in paths:
        for number, line in read_lines(path):
            row = line.split("\t")
            if row == list(COLUMNS):
                continue
            if len(row) != len(COLUMNS) or not all(field.isdigit() for field in row[_COUNTS]):
                raise DataError(f"{path}:{number}: no line of a report of hotwords")
            before = rows.setdefault(row[0], row)
            if before is not row:
                sums = [str(int(a) + int(b)) for a, b in zip(before[_COUNTS], row[_COUNTS], strict=True)]
                rows[row[0]] = [row[0], *sums, row[-1] if row[-1] == before[-1] else ""]
    return report_lines(rows.values())
