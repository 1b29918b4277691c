"""The files of a punctuation report."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from firered.data.datadir import write_lines
from firered.scoring.config import SourceConfig
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.punc import RATES, MarkCounts, PuncScore
from firered.scoring.reports.result import head, metric, shown, shown_interval, tsv, write_score
from firered.scoring.reports.summary import boxed, provenance_lines

_HEADING = ("mark", "reference", "hypothesis", "correct", *RATES)


def write_report(out: Path, score: PuncScore, provenance: Mapping[str, str | None], source: SourceConfig) -> None:
    """Write score.json, score.txt and the table a mark to the folder `out`."""
    overall = dict(zip(RATES, score.overall.rates, strict=True))
    content = {
        **head("punc", source, {name: metric(value, score.intervals[name]) for name, value in overall.items()}),
        "utterances": score.utterances,
        "missing": len(score.missing),
        "extra": len(score.extra),
        "differing_words": len(score.differing),
        "marks": {name: vars(counts) for name, counts in score.classes.items()},
        "provenance": provenance,
    }
    rows = [(name, *_cells(counts)) for name, counts in [*score.classes.items(), ("overall", score.overall)]]
    write_lines(out / "by_mark.tsv", tsv(_HEADING, rows))
    write_score(out, content, _text(score, rows, provenance, source), score.missing, score.extra)


def _cells(counts: MarkCounts) -> tuple:
    return counts.hits + counts.missed, counts.hits + counts.false, counts.hits, *counts.rates


def _text(score: PuncScore, rows: list[tuple], provenance: Mapping, source: SourceConfig) -> Iterable[str]:
    yield from provenance_lines(provenance, source)
    yield ""
    yield f"{score.utterances} utterances, {len(score.missing)} without a hypothesis (all their marks are missed)"
    if score.differing:
        yield f"{len(score.differing)} utterances have other words than the reference and were aligned"
    yield ""
    yield from boxed(_HEADING, [(name, *map(str, counts), *map(shown, rates)) for name, *counts, rates in _split(rows)])
    intervals = ", ".join(f"{name} {shown_interval(score.intervals[name])}" for name in RATES)
    yield f"overall leaves exclamation marks out; its {LEVEL}% intervals: {intervals}"


def _split(rows: list[tuple]) -> Iterable[tuple]:
    return ((*row[: -len(RATES)], row[-len(RATES) :]) for row in rows)
