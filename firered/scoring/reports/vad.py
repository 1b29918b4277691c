"""The report of a voice activity score."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.frames import FRAMES_PER_S, FrameCounts, Roc
from firered.scoring.reports.lines import boxed, shown, shown_interval, tsv
from firered.scoring.reports.report import Figure, Report
from firered.scoring.vad import Pooled, VadScore

_SWEEP = tuple(step / 100 for step in range(1, 100))
_METRICS = ("AUC-ROC%", "F1%", "FAR%", "MR%")
_COUNTS = ("hits", "false_alarms", "misses", "rejections")


def vad_report(score: VadScore) -> Report:
    """The report of a score: the papers' figures, tables a language and a recording, and the threshold sweep."""
    tables: dict[str, Iterable[str]] = {}
    drawn: dict[str, Callable[[Path], None]] = {}
    for name, groups in (("language", score.languages), ("recording", score.recordings)):
        if groups:
            heading = (name, "frames", "speech_frames", *_COUNTS, *_METRICS)
            tables[f"by_{name}.tsv"] = tsv(heading, _rows(groups))
    roc = score.roc
    if roc:
        tables["sweep.tsv"] = tsv(("threshold", *_METRICS[1:]), sweep(roc))
        drawn["sweep.png"] = lambda path: _draw_sweep(path, roc, score.threshold)
    return Report(
        task="vad",
        metrics={name: Figure(value, score.intervals.get(name)) for name, value in score.pooled.metrics.items()},
        fields={
            "threshold": score.threshold,
            "frames_per_second": FRAMES_PER_S,
            "utterances": score.pooled.recordings,
            "frames": score.pooled.frames,
            "speech_frames": score.pooled.speech_frames,
            "missing": len(score.missing),
            "extra": len(score.extra),
            "drafts": score.drafts,
            "posteriors": _counts(score.pooled.at_threshold),
            "segments": _counts(score.pooled.segments),
        },
        lines=_lines(score),
        missing=score.missing,
        extra=score.extra,
        counted=_COUNTS,
        counts={key: pooled.counts.row() for key, pooled in score.recordings.items()},
        tables=tables,
        drawn=drawn,
        warnings=list(_warnings(score)),
    )


def _warnings(score: VadScore) -> Iterator[str]:
    if score.drafts:
        yield (
            f"labels of {score.drafts} of {score.pooled.recordings} recordings are a detector's uncorrected drafts: "
            "they favour that detector, and the figures have no difference to published ones"
        )


def _rows(groups: Mapping[str, Pooled]) -> Iterator[tuple[str | int | float | None, ...]]:
    for name, pooled in groups.items():
        metrics = (pooled.metrics.get(metric) for metric in _METRICS)
        yield name, pooled.frames, pooled.speech_frames, *pooled.counts.row(), *metrics


def sweep(roc: Roc) -> Iterator[tuple[float | None, ...]]:
    """Threshold, F1, false alarms and misses at every hundredth."""
    for threshold in _SWEEP:
        yield threshold, *roc.at(threshold).rates.values()


def _draw_sweep(path: Path, roc: Roc, threshold: float) -> None:
    from firered.scoring.reports.pictures import draw_sweep  # takes a second to load

    draw_sweep(path, roc, list(sweep(roc)), threshold)


def _counts(counts: FrameCounts | None) -> dict[str, int | float | None] | None:
    return {**dict(zip(_COUNTS, counts.row(), strict=True)), **counts.rates} if counts else None


def _lines(score: VadScore) -> Iterator[str]:
    pooled = score.pooled
    yield ""
    seconds, speech = (frames / FRAMES_PER_S for frames in (pooled.frames, pooled.speech_frames))
    yield f"{pooled.recordings} recordings, {seconds:.2f} s, speech in {speech:.2f} s, frames of 10 ms"
    yield from _warnings(score)
    yield f"{len(score.missing)} without a hypothesis, {len(score.extra)} hypotheses without a reference"
    if pooled.at_threshold:
        yield ""
        yield f"posteriors, speech at {score.threshold:g} or more; {LEVEL}% intervals by resampling recordings"
        for name, value in pooled.metrics.items():
            yield f"{name:9} {shown(value):>6}  {shown_interval(score.intervals.get(name))}"
    if score.roc:
        threshold, f1 = score.roc.best()
        yield f"best F1   {shown(f1):>6}  at {threshold:.4f}"
    if pooled.segments:
        yield ""
        yield "segments"
        for name, value in pooled.segments.rates.items():
            yield f"{name:9} {shown(value):>6}"
    if score.languages:
        yield ""
        rows = [_cells(language, of_language) for language, of_language in score.languages.items()]
        yield from boxed(("language", "# Rec", "sec", *_METRICS), [*rows, _cells("All", pooled)])


def _cells(name: str, pooled: Pooled) -> tuple[str, ...]:
    metrics = (shown(pooled.metrics.get(metric)) for metric in _METRICS)
    return name, str(pooled.recordings), f"{pooled.frames / FRAMES_PER_S:.0f}", *metrics
