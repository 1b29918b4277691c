"""The files of a report on languages."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from firered.data.datadir import write_lines
from firered.scoring.config import SourceConfig
from firered.scoring.lid import COLUMNS, LidScore
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.error_rate import percent
from firered.scoring.reports.result import head, metric, shown, shown_interval, tsv, write_score
from firered.scoring.reports.summary import boxed, calibration_lines, provenance_lines


def write_report(out: Path, score: LidScore, provenance: Mapping[str, str | None], source: SourceConfig) -> None:
    """Write score.json, score.txt, the table a language and the confusion matrix to the folder `out`."""
    from firered.scoring.reports.pictures import draw_confusion_matrix, draw_reliability  # takes a second to load

    languages = list(score.languages())
    labels, columns, counts = score.matrix()
    write_lines(out / "by_language.tsv", tsv(("language", *COLUMNS), languages))
    matrix = ((label, *row) for label, row in zip(labels, counts.tolist(), strict=True))
    write_lines(out / "confusions.tsv", tsv(("reference", *columns), matrix))
    draw_confusion_matrix(out / "confusions.png", labels, columns, counts)
    if score.calibration:
        draw_reliability(out / "calibration.png", score.calibration)
    accuracy = percent(score.correct, score.utterances)
    content = {
        **head("lid", source, {"accuracy%": metric(accuracy, score.interval)}),
        "utterances": score.utterances,
        "correct": score.correct,
        "missing": len(score.missing),
        "extra": len(score.extra),
        "calibration": score.calibration.to_json() if score.calibration else None,
        "provenance": provenance,
    }
    text = [
        *provenance_lines(provenance, source),
        "",
        f"accuracy {shown(accuracy)} %   {LEVEL}% interval {shown_interval(score.interval)}",
        f"{score.correct} of {score.utterances} utterances, {len(score.missing)} without a hypothesis (wrong), "
        f"{len(score.extra)} hypotheses without a reference",
        "",
        *boxed(("language", *COLUMNS), [*_text_rows(languages), _sum(score, accuracy)]),
        *calibration_lines(score.calibration),
    ]
    write_score(out, content, text, score.missing, score.extra)


def _text_rows(languages: list[tuple]) -> Iterator[tuple[str, ...]]:
    for label, utterances, correct, *rates in languages:
        yield label, str(utterances), str(correct), *map(shown, rates)


def _sum(score: LidScore, accuracy: float | None) -> tuple[str, ...]:
    return "All", str(score.utterances), str(score.correct), shown(accuracy), "", ""
