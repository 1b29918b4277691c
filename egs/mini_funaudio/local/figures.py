"""What the sections of RESULTS.md share: figures of several seeds, and tables of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seconds import seconds_of

_T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # Student's t of 95%, by the number of figures


def read_score(folder: Path) -> dict[str, Any]:
    """What firered-score has written to a folder."""
    content: dict[str, Any] = json.loads((folder / "score.json").read_text(encoding="utf-8"))
    return content


def processor_seconds(exp: Path) -> dict[str, float]:
    """Seconds of processor time of each step, by its name."""
    path = exp / "seconds"
    return {name: processor for name, (_, processor) in seconds_of(path).items()} if path.is_file() else {}


def error_rate(score: Mapping[str, Any]) -> float:
    """The error rate of all tokens in percent."""
    return 100 * score["errors"] / max(1, score["tokens"])


def over_seeds(values: Sequence[float], places: int = 2) -> str:
    """The mean of figures, with the half width of its 95% interval where there are several seeds."""
    if not values:
        return "–"
    shown = f"{mean(values):.{places}f}"
    if len(values) == 1:
        return shown
    half = _T_95.get(len(values), 2.0) * stdev(values) / len(values) ** 0.5
    return f"{shown} ± {half:.{places}f}"


def of_seeds(count: int) -> str:
    """What stands behind figures of so many seeds, in words."""
    return "one seed" if count == 1 else f"{count} seeds, with 95% intervals of the mean"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
