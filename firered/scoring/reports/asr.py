"""The files of an error report on text."""

from collections.abc import Iterable
from pathlib import Path

from firered.data.datadir import write_lines
from firered.scoring.asr import AsrScore
from firered.scoring.config import ErrorRateConfig, SourceConfig
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.reports.result import head, metric, tsv, write_score
from firered.scoring.reports.summary import summary_lines
from firered.scoring.reports.trn import per_utt_lines, trn_lines

_COUNTS = ("correct", "substitutions", "deletions", "insertions")
_TSV = ("utterances", "tokens", *_COUNTS, "errors", "rate", "wrong", "sentence_rate", "missing", "empty")


def write_report(
    out: Path, score: AsrScore, reference: Side, provenance: dict, source: SourceConfig, config: ErrorRateConfig
) -> None:
    """Write everything but the page of errors to the folder `out`."""
    speakers = reference.data.utt2spk or {}
    write_lines(out / "ref.trn", trn_lines(((one.key, one.reference) for one in score.aligned), speakers))
    write_lines(out / "hyp.trn", trn_lines(((one.key, one.hypothesis) for one in score.aligned), speakers))
    write_lines(out / "per_utt", per_utt_lines(score.aligned))
    for name, rows in score.groups.items():
        cells = ((group, *(getattr(counts, column) for column in _TSV)) for group, counts in rows.items())
        write_lines(out / f"by_{name}.tsv", tsv((name, *_TSV), cells))
    write_lines(out / "confusions.tsv", tsv(("count", "reference", "hypothesis"), _confusion_rows(score)))
    if score.calibration:
        from firered.scoring.reports.pictures import draw_reliability  # takes a second to load

        draw_reliability(out / "calibration.png", score.calibration)
    text = summary_lines(score, provenance, source, config)
    write_score(out, score_json(score, provenance, source), text, score.missing, score.extra)


def score_json(score: AsrScore, provenance: dict, source: SourceConfig) -> dict:
    """The content of score.json: integers to add up, rates in percent."""
    total = score.total
    return {
        **head("asr", source, {f"{score.rate_name}%": metric(total.rate, score.interval)}),
        "normalizer": score.normalizer,
        "sentence_error_rate": total.sentence_rate,
        "utterances": total.utterances,
        "missing": len(score.missing),
        "missing_left_out": score.left_out,
        "extra": len(score.extra),
        "empty_references": total.empty,
        "sentence_errors": total.wrong,
        **_integers(total),
        "kinds": {kind: _integers(counts) for kind, counts in score.kinds.items()},
        "calibration": score.calibration.to_json() if score.calibration else None,
        "provenance": provenance,
    }


def _integers(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("tokens", "errors", *_COUNTS)}


def _confusion_rows(score: AsrScore) -> Iterable[tuple[int, str, str]]:
    return ((times, reference, hypothesis) for (reference, hypothesis), times in score.most_common())
