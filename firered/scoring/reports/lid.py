"""The report of an accuracy of languages."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from firered.scoring.lid import COLUMNS, LanguageRow, Levels, LidScore
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.error_rate import percent
from firered.scoring.reports.lines import boxed, calibration_lines, shown, shown_interval, tsv
from firered.scoring.reports.report import Figure, Report, drawn_calibration

_LEVELS = (
    "language right",
    "dialect right, where there is one and the language is right",
    "a dialect after a language that has none",
)


def lid_report(score: LidScore) -> Report:
    """The report of a score: accuracy, a table a language and the confusion matrix."""
    languages = list(score.languages())
    labels, columns, counts = score.matrix()
    matrix = ((label, *row) for label, row in zip(labels, counts.tolist(), strict=True))
    accuracy = percent(score.correct, score.utterances)
    levels = score.levels
    apart = {name: Figure(value) for name, value in levels.rates.items()} if levels else {}
    return Report(
        task="lid",
        metrics={"accuracy%": Figure(accuracy, score.interval), **apart},
        fields={
            "utterances": score.utterances,
            "correct": score.correct,
            "levels": vars(levels) if levels else None,
            "missing": len(score.missing),
            "extra": len(score.extra),
            "calibration": score.calibration.to_json() if score.calibration else None,
        },
        lines=_lines(score, languages, accuracy),
        missing=score.missing,
        extra=score.extra,
        counted=("correct", "utterances"),
        counts={key: (int(right), 1) for key, right in score.right.items()},
        tables={
            "by_language.tsv": tsv(("language", *COLUMNS), languages),
            "confusions.tsv": tsv(("reference", *columns), matrix),
        },
        drawn={
            "confusions.png": lambda path: _draw_matrix(path, labels, columns, counts),
            **drawn_calibration(score.calibration),
        },
    )


def _draw_matrix(path: Path, labels: list[str], columns: list[str], counts: np.ndarray) -> None:
    from firered.scoring.reports.pictures import draw_confusion_matrix  # takes a second to load

    draw_confusion_matrix(path, labels, columns, counts)


def _lines(score: LidScore, languages: list[LanguageRow], accuracy: float | None) -> Iterator[str]:
    yield ""
    yield f"accuracy {shown(accuracy)} %   {LEVEL}% interval {shown_interval(score.interval)}"
    yield (
        f"{score.correct} of {score.utterances} utterances, {len(score.missing)} without a hypothesis (wrong), "
        f"{len(score.extra)} hypotheses without a reference"
    )
    yield from _lines_of_levels(score.levels)
    yield ""
    rows = [
        (row.label, str(row.utterances), str(row.correct), *map(shown, (row.recall, row.precision, row.f1)))
        for row in languages
    ]
    total = ("All", str(score.utterances), str(score.correct), shown(accuracy), "", "")
    yield from boxed(("language", *COLUMNS), [*rows, total])
    yield from calibration_lines(score.calibration)


def _lines_of_levels(levels: Levels | None) -> Iterator[str]:
    if levels is None:
        return
    counts = (levels.language, levels.dialect, levels.elsewhere)
    for what, rate, (counted, of) in zip(_LEVELS, levels.rates.values(), counts, strict=True):
        yield f"{what}: {shown(rate)} % ({counted} of {of})"
