"""The report of a recogniser's errors; score.txt is in the manner of sclite."""

from collections.abc import Iterator, Mapping

from firered.scoring.asr import AsrScore
from firered.scoring.config import ErrorRateConfig, SourceConfig
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.reports import hotwords
from firered.scoring.reports.lines import boxed, calibration_lines, listed, shown, shown_interval, tsv
from firered.scoring.reports.page import write_page
from firered.scoring.reports.report import Figure, Report, drawn_calibration
from firered.scoring.reports.trn import SCLITE, per_utt_lines, trn_lines

_COUNTS = ("correct", "substitutions", "deletions", "insertions")
_TSV = ("utterances", "tokens", *_COUNTS, "errors", "rate", "wrong", "sentence_rate", "missing", "empty")
_MOST_ROWS = 30  # of a table in score.txt; the tsv beside it has all
_NONE = "(nothing)"


def asr_report(score: AsrScore, reference: Side, source: SourceConfig, config: ErrorRateConfig) -> Report:
    """The report of a score: counts as integers to add up, alignments, tables a group, and the page of errors."""
    speakers = reference.data.utt2spk or {}
    tables = {
        "ref.trn": trn_lines(((utterance.key, utterance.reference) for utterance in score.aligned), speakers),
        "hyp.trn": trn_lines(((utterance.key, utterance.hypothesis) for utterance in score.aligned), speakers),
        "per_utt": per_utt_lines(score.aligned),
    }
    for name, rows in score.groups.items():
        columns = ((group, *(getattr(counts, column) for column in _TSV)) for group, counts in rows.items())
        tables[f"by_{name}.tsv"] = tsv((name, *_TSV), columns)
    pairs = ((times, reference, hypothesis) for (reference, hypothesis), times in score.most_common)
    tables["confusions.tsv"] = tsv(("count", "reference", "hypothesis"), pairs)
    found = {utterance.key: (utterance.counts.errors, utterance.counts.tokens) for utterance in score.aligned}
    counts: dict[str, tuple[int, ...]] = {**found}
    metrics = {f"{score.rate_name}%": Figure(score.total.rate, score.interval)}
    hot = score.hotwords
    if hot:
        tables[hotwords.TABLE] = hotwords.table(hot)
        metrics |= hotwords.metrics(hot, score.rate_name)
        of_hotwords = hotwords.counts(hot)
        counts = {key: (*own, *of_hotwords[key]) for key, own in counts.items()}
    title = " ".join(filter(None, ("Errors", source.test_set, source.system)))
    return Report(
        task="asr",
        metrics=metrics,
        fields=_fields(score),
        lines=_lines(score, config),
        missing=score.missing,
        extra=score.extra,
        counted=("errors", "tokens", *(hotwords.COUNTED if hot else ())),
        counts=counts,
        warnings=score.warnings(),
        tables=tables,
        drawn={
            **drawn_calibration(score.calibration),
            "errors.html": lambda path: write_page(path, score, reference, title, config),
        },
    )


def _fields(score: AsrScore) -> dict[str, object]:
    total = score.total
    return {
        "normalizer": score.normalizer,
        "normalizer_note": score.note or None,
        "unit": score.unit,
        "unseen": {side: unseen.to_json() for side, unseen in score.unseen.items()},
        "sentence_error_rate": total.sentence_rate,
        "utterances": total.utterances,
        "missing": len(score.missing),
        "missing_left_out": score.left_out,
        "extra": len(score.extra),
        "empty_references": total.empty,
        "sentence_errors": total.wrong,
        **_integers(total),
        "groups": {
            name: {label: _of_group(counts) for label, counts in rows.items()} for name, rows in score.groups.items()
        },
        "kinds": {kind: _integers(counts) for kind, counts in score.kinds.items()},
        "calibration": score.calibration.to_json() if score.calibration else None,
        "hotwords": hotwords.fields(score.hotwords) if score.hotwords else None,
    }


def _integers(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("tokens", "errors", *_COUNTS)}


def _of_group(counts: Counts) -> dict[str, int | float | None]:
    return {"utterances": counts.utterances, "missing": counts.missing, **_integers(counts), "rate": counts.rate}


def _lines(score: AsrScore, config: ErrorRateConfig) -> Iterator[str]:
    total = score.total
    yield f"normaliser  {score.normalizer}"
    yield f"unit        {score.unit}"
    if score.note:
        yield f"note        {score.note}"
    for warning in score.warnings():
        yield f"warning     {warning}"
    yield ""
    yield f"{score.rate_name}   {shown(total.rate)} %   {LEVEL}% interval {shown_interval(score.interval)}"
    yield (
        f"      {total.errors} errors in {total.tokens} tokens: {total.substitutions} substitutions, "
        f"{total.deletions} deletions, {total.insertions} insertions"
    )
    yield f"S.Err {shown(total.sentence_rate)} %   {total.wrong} of {total.utterances} utterances"
    yield from _ids_lines(score)
    if score.hotwords:
        yield from hotwords.lines(score.hotwords, score.rate_name)
    yield ""
    yield from _counts_table("kind of token", score.kinds, total)
    for name, rows in score.groups.items():
        yield ""
        yield from _counts_table(name, rows, total)
    yield from _confusion_lines(score, config.confusions)
    yield from calibration_lines(score.calibration)
    yield ""
    yield f"NIST: {SCLITE}"


def _ids_lines(score: AsrScore) -> Iterator[str]:
    if score.total.empty:
        yield f"{score.total.empty} empty references: every token of their hypotheses is an insertion"
    if score.missing:
        fate = "left out, as the released tool does" if score.left_out else "counted as deletions"
        yield f"{len(score.missing)} missing hypotheses, {fate}: {listed(score.missing)}"
    if score.extra:
        yield f"{len(score.extra)} hypotheses without a reference, not counted: {listed(score.extra)}"


def _counts_table(name: str, rows: Mapping[str, Counts], total: Counts) -> Iterator[str]:
    """A table of percentages with the sum of all at its foot; of many rows, those with most errors."""
    kept = sorted(rows, key=lambda row: -rows[row].errors)[:_MOST_ROWS]
    lines = [_percentages(row, rows[row]) for row in rows if row in kept] + [_percentages("Sum", total)]
    heading = (name, "# Snt", "# Tok", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
    yield from boxed(heading, lines)
    if len(rows) > len(kept):
        yield f"the {len(kept)} with most errors; all {len(rows)} are in by_{name}.tsv"


def _percentages(name: str, counts: Counts) -> tuple[str, ...]:
    parts = (counts.correct, counts.substitutions, counts.deletions, counts.insertions, counts.errors)
    shares = (shown(100 * part / counts.tokens if counts.tokens else None, 1) for part in parts)
    return name, str(counts.utterances or "-"), str(counts.tokens), *shares, shown(counts.sentence_rate, 1)


def _confusion_lines(score: AsrScore, most: int) -> Iterator[str]:
    shown_here = score.most_common[:most]
    if shown_here:
        yield ""
        yield f"most frequent confusions, reference -> hypothesis (all {len(score.confusions)} in confusions.tsv)"
    for (reference, hypothesis), times in shown_here:
        yield f"{times:7}  {reference or _NONE} -> {hypothesis or _NONE}"
