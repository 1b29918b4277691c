"""What every kind of score is written as: score.json, score.txt, tables and pictures in a folder; and the exit status.

The four kinds of scores differ in what they put into a `Report`; how it is written they share.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.data.datadir import write_lines
from firered.data.speed import Speed
from firered.scoring.config import SampleConfig, SourceConfig
from firered.scoring.metrics.bootstrap import Interval
from firered.scoring.metrics.calibration import Calibration
from firered.scoring.reports.lines import listed, shown, shown_settings, tsv
from firered.scoring.reports.provenance import Provenance

COUNTS = "counts.tsv"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figure:
    """A rate in percent, None where it has no value, and its confidence interval."""

    value: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Report:
    """A score, ready to be written.

    `task` is its kind, and `metrics` are the figures that firered-table takes. `fields` are what else score.json holds,
    `lines` those of score.txt; the provenance is put to both. `counts` is what is counted of each utterance by its id,
    `counted` the names of these counts. `tables` are the lines of other files, and `drawn` what writes one to a path,
    both by file name. `missing` are ids without a hypothesis, `extra` ids without a reference. `warnings` are logged;
    they are in `lines` as well. `faults` are what of the hypotheses could not be read and is not scored: they are
    logged as errors, and the exit status is 1.
    """

    task: str
    metrics: Mapping[str, Figure]
    fields: Mapping[str, object]
    lines: Iterable[str]
    missing: Sequence[str]
    extra: Sequence[str]
    counted: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    tables: Mapping[str, Iterable[str]] = field(default_factory=dict)
    drawn: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    faults: Sequence[str] = ()

    def write(
        self,
        out: Path,
        provenance: Provenance,
        source: SourceConfig,
        settings: Mapping[str, object] | None = None,
        speed: Speed | None = None,
    ) -> None:
        """Write all files to the folder `out`.

        Args:
            out: the folder.
            provenance: what made the result.
            source: the names of test set and system.
            settings: those that made the hypothesis, where they are known.
            speed: what that took, likewise.
        """
        for name, lines in self.tables.items():
            write_lines(out / name, lines)
        rows: Iterator[Sequence[str | int]] = ((key, *self.counts[key]) for key in sorted(self.counts))
        write_lines(out / COUNTS, tsv(("id", *self.counted), rows))
        for name, draw in self.drawn.items():
            draw(out / name)
        content = {**self._json(provenance, source), "settings": settings}
        content["speed"] = speed.to_json() if speed else None
        write_lines(out / "score.json", [json.dumps(content, ensure_ascii=False, indent=2)])
        write_lines(
            out / "score.txt", [*_provenance_lines(provenance, source, settings), *_speed_lines(speed), *self.lines]
        )
        write_lines(out / "missing", self.missing)
        write_lines(out / "extra", self.extra)
        for warning in self.warnings:
            log.warning("%s", warning)
        figures = ", ".join(f"{name} {shown(figure.value)}" for name, figure in self.metrics.items())
        log.info("%s: more in %s", figures, out / "score.txt")

    def _json(self, provenance: Provenance, source: SourceConfig) -> dict[str, object]:
        metrics = {
            name: {"value": figure.value, "interval": list(figure.interval) if figure.interval else None}
            for name, figure in self.metrics.items()
        }
        names = {"task": self.task, "test_set": source.test_set, "system": source.system}
        return {**names, "metrics": metrics, **self.fields, "provenance": provenance}

    def exit_status(self, config: SampleConfig) -> int:
        """1 where there are faults, or hypotheses without a reference that are not allowed; logs what there is."""
        for fault in self.faults:
            log.error("%s", fault)
        if self.missing:
            log.warning("%d references have no hypothesis: %s", len(self.missing), listed(self.missing))
        if not self.extra:
            return int(bool(self.faults))
        message = "%d hypotheses have no reference and are not scored: %s"
        log.log(logging.WARNING if config.allow_extra else logging.ERROR, message, len(self.extra), listed(self.extra))
        return int(bool(self.faults) or not config.allow_extra)


def drawn_calibration(calibration: Calibration | None) -> dict[str, Callable[[Path], None]]:
    """The picture of the confidences, where there are any, for `Report.drawn`."""
    if calibration is None:
        return {}

    def draw(path: Path) -> None:
        from firered.scoring.reports.pictures import draw_reliability  # takes a second to load

        draw_reliability(path, calibration)

    return {"calibration.png": draw}


def _provenance_lines(
    provenance: Provenance, source: SourceConfig, settings: Mapping[str, object] | None
) -> Iterator[str]:
    """What made the result, a line each."""
    yield f"firered {provenance['version']}, commit {provenance['commit'] or '-'}, {provenance['date']}"
    yield f"test set    {source.test_set or '-'}"
    yield f"system      {source.system or '-'}"
    yield f"model       {provenance['model'] or '-'} {provenance['model_sha256'] or ''}".rstrip()
    if provenance["parameters"] is not None:
        yield f"parameters  {provenance['parameters']}"
    yield f"reference   {provenance['reference']}"
    yield f"hypothesis  {provenance['hypothesis']} {provenance['hypothesis_sha256'] or ''}".rstrip()
    if settings:
        yield f"settings    {shown_settings(settings)}"


def _speed_lines(speed: Speed | None) -> Iterator[str]:
    if speed:
        factor = f"real-time factor {speed.rtf:.4f}, " if speed.rtf else ""
        threads = f", threads {speed.threads}" if speed.threads else ""
        yield f"speed       {factor}{speed.peak_memory_mb:.0f} MB at most, {speed.device}{threads}"
