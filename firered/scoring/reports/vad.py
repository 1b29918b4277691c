"""The files of a voice activity report."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from firered.data.datadir import write_lines
from firered.scoring.config import SourceConfig
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.frames import FRAMES_PER_S, FrameCounts, Roc
from firered.scoring.reports.result import head, metric, shown, shown_interval, tsv, write_score
from firered.scoring.reports.summary import boxed, provenance_lines
from firered.scoring.vad import Pooled, VadScore

_SWEEP = tuple(step / 100 for step in range(1, 100))
_METRICS = ("AUC-ROC%", "F1%", "FAR%", "MR%")
_COUNTS = ("hits", "false_alarms", "misses", "rejections")


def write_report(out: Path, score: VadScore, provenance: Mapping[str, str | None], source: SourceConfig) -> None:
    """Write score.json, score.txt, tables a language and a recording, and the threshold sweep to the folder `out`."""
    for name, rows in (("language", score.languages), ("recording", score.recordings)):
        if rows:
            write_lines(
                out / f"by_{name}.tsv", tsv((name, "frames", "speech_frames", *_COUNTS, *_METRICS), _rows(rows))
            )
    if score.roc:
        write_lines(out / "sweep.tsv", tsv(("threshold", *_METRICS[1:]), sweep(score.roc)))
        from firered.scoring.reports.pictures import draw_sweep  # takes a second to load

        draw_sweep(out / "sweep.png", score.roc, list(sweep(score.roc)), score.threshold)
    write_score(out, _json(score, provenance, source), _text(score, provenance, source), score.missing, score.extra)


def _rows(rows: Mapping[str, Pooled]) -> Iterator[tuple]:
    for name, one in rows.items():
        metrics = (one.metrics.get(metric_name) for metric_name in _METRICS)
        yield name, one.frames, one.speech_frames, *one.counts.row(), *metrics


def sweep(roc: Roc) -> Iterator[tuple[float, ...]]:
    """Threshold, F1, false alarms and misses at every hundredth."""
    for threshold in _SWEEP:
        yield threshold, *roc.at(threshold).rates.values()


def _json(score: VadScore, provenance: Mapping[str, str | None], source: SourceConfig) -> dict:
    metrics = {name: metric(value, score.intervals.get(name)) for name, value in score.pooled.metrics.items()}
    return {
        **head("vad", source, metrics),
        "threshold": score.threshold,
        "frames_per_second": FRAMES_PER_S,
        "utterances": score.pooled.recordings,
        "frames": score.pooled.frames,
        "speech_frames": score.pooled.speech_frames,
        "missing": len(score.missing),
        "extra": len(score.extra),
        "posteriors": _counts(score.pooled.at_threshold),
        "segments": _counts(score.pooled.segments),
        "provenance": provenance,
    }


def _counts(counts: FrameCounts | None) -> dict | None:
    return dict(zip(_COUNTS, counts.row(), strict=True)) | counts.rates if counts else None


def _text(score: VadScore, provenance: Mapping[str, str | None], source: SourceConfig) -> Iterable[str]:
    pooled = score.pooled
    yield from provenance_lines(provenance, source)
    yield ""
    seconds, speech = (frames / FRAMES_PER_S for frames in (pooled.frames, pooled.speech_frames))
    yield f"{pooled.recordings} recordings, {seconds:.2f} s, speech in {speech:.2f} s, frames of 10 ms"
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
        rows = [_cells(language, one) for language, one in score.languages.items()]
        yield from boxed(("language", "# Rec", "sec", *_METRICS), [*rows, _cells("All", pooled)])


def _cells(name: str, one: Pooled) -> tuple[str, ...]:
    metrics = (shown(one.metrics.get(metric_name)) for metric_name in _METRICS)
    return name, str(one.recordings), f"{one.frames / FRAMES_PER_S:.0f}", *metrics
