"""Labelled time: speech of recordings from Kaldi segments, NIST RTTM and UEM, Praat TextGrids, or `start end` lines."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firered.data.datadir import DataDir, parse_segments
from firered.data.files import visible
from firered.data.lines import read_lines
from firered.data.names import id_of
from firered.data.rttm import parse_rttm
from firered.data.textgrids import read_textgrid
from firered.errors import DataError
from firered.scoring.config import VadScoreConfig

Span = tuple[float, float]


@dataclass
class Labels:
    """Spans of speech in seconds of each recording, and the durations that are known."""

    spans: dict[str, list[Span]] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)

    def add(self, recording: str, start_s: float, end_s: float) -> None:
        """Note one span; raises ValueError where it does not go forward."""
        if not (math.isfinite(start_s) and end_s >= start_s >= 0):
            raise ValueError(f"from {start_s:g} to {end_s:g} is no stretch of time")
        self.spans.setdefault(recording, []).append((start_s, end_s))


def read_labels(path: Path, config: VadScoreConfig) -> Labels:
    """The speech of the recordings of a data directory, of a folder with a label file a recording, or of one file.

    A data directory's `rttm` is taken before its `segments`, since it has labels; recordings that it names without any
    speech are in the result, with no spans.

    Raises:
        DataError: there are no labels, or a line of them cannot be read.
    """
    labels = Labels()
    if path.is_file():
        _read_file(path, id_of(path), labels, config)
        return labels
    if not path.is_dir():
        raise DataError(f"{path}: no such file or directory")
    data = DataDir(path)
    tables = [path / name for name in ("rttm", "segments") if (path / name).is_file()]
    files = tables[:1] or _label_files(path)
    for name in ("wav.scp", "reco2dur"):
        labels.spans.update({recording: [] for recording in data.table(name) or {}})
    for file in files:
        _read_file(file, id_of(file), labels, config)
    return labels


def _label_files(folder: Path) -> list[Path]:
    for suffix in (".TextGrid", ".rttm", ".lab", ".txt"):
        if files := visible(folder, f"**/*{suffix}"):
            return files
    raise DataError(
        f"{folder}: no labels here: neither rttm nor segments, nor files *.TextGrid, *.rttm, *.lab or *.txt"
    )


def _read_file(file: Path, recording: str, labels: Labels, config: VadScoreConfig) -> None:
    if file.suffix == ".TextGrid":
        _read_textgrid(file, recording, labels, config)
    elif file.suffix == ".rttm" or file.name == "rttm":
        _read_lines(file, lambda line: _add_rttm(line, labels, config))
    elif file.suffix in (".lab", ".txt"):
        labels.spans.setdefault(recording, [])  # an empty file says that there is no speech
        _read_lines(file, lambda line: _add_span(recording, line, labels, config))
    else:
        for segment in parse_segments(file).values():
            labels.add(segment.recording, segment.start_s, segment.end_s)


def _read_lines(file: Path, take: Callable[[str], None]) -> None:
    """Hand on each line; the ValueError of `take` is raised with file and line."""
    for number, line in _lines(file):
        try:
            take(line)
        except ValueError as error:
            raise DataError(f"{file}:{number}: {error}: {line!r}") from None


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in read_lines(file):
        if line.strip() and not line.startswith((";;", "#")):
            yield number, line


def _is_speech(label: str, config: VadScoreConfig) -> bool:
    return label.strip().lower() not in {name.strip() for name in config.nonspeech.lower().split(",")} | {""}


def _add_rttm(line: str, labels: Labels, config: VadScoreConfig) -> None:
    recording, span = parse_rttm(line)
    labels.spans.setdefault(recording, [])
    if span and _is_speech(span[2], config):
        labels.add(recording, *span[:2])


def _add_span(recording: str, line: str, labels: Labels, config: VadScoreConfig) -> None:
    fields = line.split()
    start, end, *label = fields if len(fields) >= 2 else _too_few(fields, 2)
    if not label or _is_speech(" ".join(label), config):
        labels.add(recording, float(start), float(end))


def _too_few(fields: list[str], needed: int) -> list[str]:
    raise ValueError(f"{len(fields)} fields where {needed} are needed")


def _read_textgrid(file: Path, recording: str, labels: Labels, config: VadScoreConfig) -> None:
    grid = read_textgrid(file)
    labels.durations[recording] = grid.end_s
    labels.spans.setdefault(recording, [])
    for tier in [grid.tier(config.tier)] if config.tier else grid.tiers:
        for start, end, label in tier.intervals:
            if _is_speech(label, config):
                labels.add(recording, start, end)


def read_uem(path: Path) -> dict[str, list[Span]]:
    """The stretches of each recording that are scored, from `recording channel start end` lines."""
    scored = Labels()

    def take(line: str) -> None:
        fields = line.split()
        recording, _, start, end = fields if len(fields) == 4 else _too_few(fields, 4)
        scored.add(recording, float(start), float(end))

    _read_lines(path, take)
    return scored.spans
