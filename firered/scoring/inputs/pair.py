"""The two sides of a comparison: a table from a file or a data directory, and what lies beside it."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from firered.data.datadir import DataDir, read_table
from firered.errors import DataError
from firered.text.joining import join_texts


@dataclass(frozen=True)
class Side:
    """A table of one side, by utterance (or recording), and the data directory that the file lies in."""

    path: Path
    table: dict[str, str]
    data: DataDir


def numbers(data: DataDir, name: str) -> dict[str, float]:
    """The table `name` of a directory as numbers; empty where there is none.

    Raises:
        DataError: a value is not a finite number.
    """
    values = {}
    for key, value in (data.table(name) or {}).items():
        try:
            values[key] = float(value)
        except ValueError:
            values[key] = math.nan
        if not math.isfinite(values[key]):
            raise DataError(f"{data.path / name}: {key}: {value!r} is not a number")
    return values


def confidences(data: DataDir, name: str) -> dict[str, float]:
    """The table `name` of a directory as probabilities; empty where there is none.

    Raises:
        DataError: a value is not between 0 and 1.
    """
    values = numbers(data, name)
    for key, value in values.items():
        if not 0 <= value <= 1:
            raise DataError(f"{data.path / name}: {key}: {value:g} is not a probability")
    return values


def read_side(path: Path, name: str, *, empty_value_ok: bool = False) -> Side:
    """The file `path`, or the file `name` of the data directory `path`.

    Raises:
        DataError: it is not there, has bad lines, or is empty.
    """
    file = path / name if path.is_dir() else path
    table = read_table(file, empty_value_ok=empty_value_ok)
    if not table:
        raise DataError(f"{file}: empty, there is nothing to compare")
    return Side(file, table, DataDir(file.parent))


def read_text(path: Path, by_recording: bool) -> Side:
    """A side of Kaldi `text`; `by_recording` joins the texts of a recording's segments in order of time."""
    side = read_side(path, "text", empty_value_ok=True)
    segments = side.data.segments if by_recording else None
    if not segments:
        return side
    strangers = sorted(side.table.keys() - segments.keys())
    if strangers:
        raise DataError(f"{side.path}: {strangers[0]} is not in {side.data.path / 'segments'}, so it has no recording")
    parts: dict[str, list[str]] = {}
    for key in sorted(side.table, key=lambda key: (segments[key].recording, segments[key].start_s, key)):
        parts.setdefault(segments[key].recording, []).append(side.table[key])
    return Side(side.path, {recording: join_texts(texts) for recording, texts in parts.items()}, side.data)


def missing_and_extra(reference: Side, hypothesis: Side) -> tuple[list[str], list[str]]:
    """Sorted ids that only the reference has, and that only the hypothesis has.

    Raises:
        DataError: they have none in common.
    """
    need_common(reference.table, hypothesis.table, hypothesis.path)
    references, hypotheses = reference.table.keys(), hypothesis.table.keys()
    return sorted(references - hypotheses), sorted(hypotheses - references)


def need_common(references: Collection[str], hypotheses: Collection[str], path: Path) -> None:
    """Raise DataError where no id of the hypotheses in `path` is one of the references: it is of something else."""
    if references and hypotheses and set(references).isdisjoint(hypotheses):
        raise DataError(
            f"{path}: none of its ids is in the reference: it has {min(hypotheses)} and the like, "
            f"the reference {min(references)}"
        )
