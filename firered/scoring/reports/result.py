"""What all scores share: score.json, lists of ids, tables, and the exit status."""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from firered.data.datadir import write_lines
from firered.scoring.config import SampleConfig, SourceConfig
from firered.scoring.metrics.bootstrap import Interval

log = logging.getLogger(__name__)

_MOST_IDS = 10


def head(task: str, source: SourceConfig, metrics: dict[str, dict]) -> dict:
    """The fields of score.json that firered-table goes by."""
    return {"task": task, "test_set": source.test_set, "system": source.system, "metrics": metrics}


def metric(value: float | None, interval: Interval | None = None) -> dict:
    """A figure of score.json, in percent."""
    return {"value": value, "interval": list(interval) if interval else None}


def shown(rate: float | None, decimals: int = 2) -> str:
    """A rate as reports show it; a dash where there is none."""
    return "-" if rate is None else f"{rate:.{decimals}f}"


def shown_interval(interval: Sequence[float] | None) -> str:
    """An interval as reports show it; a dash where there is none."""
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "-"


def listed(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = len(ids) - _MOST_IDS
    return ", ".join(ids[:_MOST_IDS]) + (f" and {more} more" if more > 0 else "")


def write_score(out: Path, content: dict, text: Iterable[str], missing: Sequence[str], extra: Sequence[str]) -> None:
    """Write score.json, score.txt, and the ids that only one side has."""
    write_lines(out / "score.json", [json.dumps(content, ensure_ascii=False, indent=2)])
    write_lines(out / "score.txt", text)
    write_lines(out / "missing", missing)
    write_lines(out / "extra", extra)
    figures = ", ".join(f"{name} {shown(figure['value'])}" for name, figure in content["metrics"].items())
    log.info("%s: more in %s", figures, out / "score.txt")


def tsv(heading: Sequence[str], rows: Iterable[Sequence[str | int | float | None]]) -> Iterable[str]:
    """Lines of a table between tabs; rates with two decimals."""
    yield "\t".join(heading)
    for row in rows:
        yield "\t".join(shown(cell) if cell is None or isinstance(cell, float) else str(cell) for cell in row)


def finish(missing: Sequence[str], extra: Sequence[str], config: SampleConfig) -> int:
    """The exit status, with a word about ids that only one side has: 1 where there are hypotheses without reference."""
    if missing:
        log.warning("%d references have no hypothesis: %s", len(missing), listed(missing))
    if not extra:
        return 0
    log.error("%d hypotheses have no reference and are not scored: %s", len(extra), listed(extra))
    return 0 if config.allow_extra else 1
