"""score.txt: the summary of an error report in the manner of sclite."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from firered.scoring.asr import AsrScore
from firered.scoring.config import ErrorRateConfig, SourceConfig
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.calibration import Calibration
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.reports.result import listed, shown, shown_interval
from firered.scoring.reports.trn import SCLITE
from firered.text.width import cells, padded

_MOST_ROWS = 30  # of a table here; the tsv beside it has all
_NONE = "(nothing)"


def provenance_lines(provenance: Mapping[str, str | None], source: SourceConfig) -> Iterator[str]:
    """What made the result, a line each."""
    yield f"firered {provenance['version']}, commit {provenance['commit'] or '-'}, {provenance['date']}"
    yield f"test set    {source.test_set or '-'}"
    yield f"system      {source.system or '-'}"
    yield f"model       {provenance['model'] or '-'} {provenance['model_sha256'] or ''}".rstrip()
    yield f"reference   {provenance['reference']}"
    yield f"hypothesis  {provenance['hypothesis']}"


def summary_lines(
    score: AsrScore, provenance: Mapping[str, str | None], source: SourceConfig, config: ErrorRateConfig
) -> Iterator[str]:
    """The lines of score.txt."""
    total = score.total
    yield from provenance_lines(provenance, source)
    yield f"normaliser  {score.normalizer}"
    yield ""
    yield f"{score.rate_name}   {shown(total.rate)} %   {LEVEL}% interval {shown_interval(score.interval)}"
    yield (
        f"      {total.errors} errors in {total.tokens} tokens: {total.substitutions} substitutions, "
        f"{total.deletions} deletions, {total.insertions} insertions"
    )
    yield f"S.Err {shown(total.sentence_rate)} %   {total.wrong} of {total.utterances} utterances"
    yield from _ids_lines(score)
    yield ""
    yield from counts_table("kind of token", score.kinds, total)
    for name, rows in score.groups.items():
        yield ""
        yield from counts_table(name, rows, total)
    yield from _confusion_lines(score, config.confusions)
    yield from calibration_lines(score.calibration)
    yield ""
    yield f"NIST: {SCLITE}"


def _ids_lines(score: AsrScore) -> Iterator[str]:
    if score.total.empty:
        yield f"{score.total.empty} empty references: all that is heard in them is inserted"
    if score.missing:
        fate = "left out, as the released tool does" if score.left_out else "counted as deletions"
        yield f"{len(score.missing)} missing hypotheses, {fate}: {listed(score.missing)}"
    if score.extra:
        yield f"{len(score.extra)} hypotheses without a reference, not counted: {listed(score.extra)}"


def counts_table(name: str, rows: Mapping[str, Counts], total: Counts) -> Iterator[str]:
    """A table of percentages with the sum of all at its foot; of many rows, those with most errors."""
    kept = sorted(rows, key=lambda row: -rows[row].errors)[:_MOST_ROWS]
    lines = [_cells(row, rows[row]) for row in rows if row in kept] + [_cells("Sum", total)]
    heading = (name, "# Snt", "# Tok", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
    yield from boxed(heading, lines)
    if len(rows) > len(kept):
        yield f"the {len(kept)} with most errors; all {len(rows)} are in by_{name}.tsv"


def _cells(name: str, counts: Counts) -> tuple[str, ...]:
    parts = (counts.correct, counts.substitutions, counts.deletions, counts.insertions, counts.errors)
    shares = (shown(100 * part / counts.tokens if counts.tokens else None, 1) for part in parts)
    return name, str(counts.utterances or "-"), str(counts.tokens), *shares, shown(counts.sentence_rate, 1)


def boxed(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in sclite's box: the first column to the left, numbers to the right, the last row set off."""
    columns = list(zip(heading, *rows, strict=True))
    first = [padded(cell, max(map(cells, columns[0]))) for cell in columns[0]]
    others = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns[1:]]
    lines = [f"| {row[0]} | {'  '.join(row[1:])} |" for row in zip(first, *others, strict=True)]
    size = cells(lines[0]) - 2
    yield f",{'-' * size}."
    yield lines[0]
    yield f"|{'-' * size}|"
    yield from lines[1:-1]
    yield f"|{'=' * size}|"
    yield lines[-1]
    yield f"`{'-' * size}'"


def _confusion_lines(score: AsrScore, most: int) -> Iterator[str]:
    shown_here = score.most_common()[:most]
    if shown_here:
        yield ""
        yield f"most frequent confusions, reference -> hypothesis (all {len(score.confusions)} in confusions.tsv)"
    for (reference, hypothesis), times in shown_here:
        yield f"{times:7}  {reference or _NONE} -> {hypothesis or _NONE}"


def calibration_lines(calibration: Calibration | None) -> Iterable[str]:
    """One line about the confidences, where there are any."""
    if calibration is None:
        return []
    return ["", f"expected calibration error of the confidences: {calibration.error:.4f} (calibration.png)"]
