"""Lines of text that several reports have: tables, boxes, rates, lists of ids."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from firered.scoring.metrics.bootstrap import Interval
from firered.scoring.metrics.calibration import Calibration
from firered.text.width import cells, padded

_MOST_IDS = 10
# Settings of commands that do not change what is scored.
_NO_PART_OF_A_RESULT = ("nbest", "batch_seconds", "llm_device", "align_model", "confidence", "timestamps", "pipes")


def shown(rate: float | None, decimals: int = 2) -> str:
    """A rate as reports show it; a dash where there is none."""
    return "-" if rate is None else f"{rate:.{decimals}f}"


def signed(difference: float) -> str:
    """A difference with its sign; none where it is nothing after rounding."""
    return f"{round(difference, 2) + 0.0:+.2f}"


def shown_interval(interval: Interval | Sequence[float] | None) -> str:
    """An interval as reports show it; a dash where there is none."""
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "-"


def listed(ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = len(ids) - _MOST_IDS
    return ", ".join(ids[:_MOST_IDS]) + (f" and {more} more" if more > 0 else "")


def shown_settings(settings: Mapping[str, object]) -> str:
    """Settings of a decoding as reports show them: those that decide a result; those of a module after its name."""
    kept = _deciding({name: value for name, value in settings.items() if not isinstance(value, Mapping)})
    for module, own in settings.items():
        if isinstance(own, Mapping):
            kept |= {f"{module}.{name}": value for name, value in _deciding(own).items()}
    return ", ".join(f"{name} {value}" for name, value in kept.items())


def _deciding(settings: Mapping[str, object]) -> dict[str, object]:
    guarded = settings.get("guard", "off") not in ("off", False)
    return {
        name: value
        for name, value in settings.items()
        if value not in (None, "", [])
        and name not in _NO_PART_OF_A_RESULT
        and (guarded or not name.startswith("guard"))
    }


def tsv(heading: Sequence[str], rows: Iterable[Sequence[str | int | float | None]]) -> Iterator[str]:
    """Lines of a table between tabs; rates with two decimals."""
    yield "\t".join(heading)
    for row in rows:
        yield "\t".join(shown(cell) if cell is None or isinstance(cell, float) else str(cell) for cell in row)


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


def calibration_lines(calibration: Calibration | None) -> list[str]:
    """An empty line and one about the confidences; none where there are no confidences."""
    if calibration is None:
        return []
    return ["", f"expected calibration error of the confidences: {calibration.error:.4f} (calibration.png)"]
