"""The report of a punctuation score."""

from collections.abc import Iterator

from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.punc import COUNTED, RATES, MarkCounts, PuncScore
from firered.scoring.reports.lines import boxed, shown, shown_interval, tsv
from firered.scoring.reports.report import Figure, Report

_HEADING = ("mark", "reference", "hypothesis", "correct", *RATES)


def punc_report(score: PuncScore) -> Report:
    """The report of a score: precision, recall and F1 overall, and a table a mark."""
    overall = zip(RATES, score.overall.rates, strict=True)
    rows = {**score.classes, "overall": score.overall}
    return Report(
        task="punc",
        metrics={name: Figure(value, score.intervals[name]) for name, value in overall},
        fields={
            "utterances": score.utterances,
            "missing": len(score.missing),
            "extra": len(score.extra),
            "differing_words": len(score.differing),
            "marks": {name: vars(counts) for name, counts in score.classes.items()},
        },
        lines=_lines(score, rows),
        missing=score.missing,
        extra=score.extra,
        counted=COUNTED,
        counts=score.counts,
        tables={
            "by_mark.tsv": tsv(_HEADING, ((name, *_counts(counts), *counts.rates) for name, counts in rows.items()))
        },
    )


def _counts(counts: MarkCounts) -> tuple[int, int, int]:
    """Marks of the reference, of the hypothesis, and of both at the same place."""
    return counts.hits + counts.missed, counts.hits + counts.false, counts.hits


def _lines(score: PuncScore, rows: dict[str, MarkCounts]) -> Iterator[str]:
    yield ""
    yield f"{score.utterances} utterances, {len(score.missing)} without a hypothesis (all their marks are missed)"
    if score.differing:
        yield f"{len(score.differing)} utterances have other words than the reference and were aligned"
    yield ""
    table = [(name, *map(str, _counts(counts)), *map(shown, counts.rates)) for name, counts in rows.items()]
    yield from boxed(_HEADING, table)
    intervals = ", ".join(f"{name} {shown_interval(score.intervals[name])}" for name in RATES)
    yield f"overall leaves exclamation marks out; its {LEVEL}% intervals: {intervals}"
