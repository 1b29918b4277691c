"""Precision, recall and F1 of each test set and system, in the layout of table 5 of the FireRedASR2S report."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from firered.cli.flags import run
from firered.data.datadir import write_lines
from firered.errors import DataError
from firered.scoring.published import published

_RATES = ("precision%", "recall%", "F1%")
_TABLE = "fireredasr2s-5"
_AVERAGE = "punc-avg"

Rates = tuple[float | None, ...]  # precision, recall, F1; of averages F1 alone


def scores_below(folder: Path) -> dict[str, dict[str, Rates]]:
    """System -> test set -> rates, of every score.json in a folder and those in it.

    Raises:
        DataError: there is none, or one is not of punctuation.
    """
    found: dict[str, dict[str, Rates]] = {}
    for path in sorted(folder.rglob("score.json")):
        score = json.loads(path.read_text(encoding="utf-8"))
        if score.get("task") != "punc":
            raise DataError(f"{path}: no score of punctuation")
        found.setdefault(score["system"], {})[score["test_set"]] = tuple(
            score["metrics"][name]["value"] for name in _RATES
        )
    if not found:
        raise DataError(f"{folder}: no score.json here")
    return found


def with_average(sets: Mapping[str, Rates]) -> dict[str, Rates]:
    """A system's rates, and the mean F1 of its languages, each with the same weight."""
    languages = [rates[2] for name, rates in sets.items() if name.count("-") == 1 and rates[2] is not None]
    return {**sets, _AVERAGE: (fmean(languages),)} if languages else dict(sets)


def printed() -> dict[str, dict[str, Rates]]:
    """The report's own figures, of its internal test sets."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for figure in published():
        if figure.table == _TABLE:
            found.setdefault(f"{figure.system} (printed)", {}).setdefault(figure.test_set, {})[figure.metric] = (
                figure.value
            )
    return {
        system: {name: tuple(rates[metric] for metric in _RATES if metric in rates) for name, rates in sets.items()}
        for system, sets in found.items()
    }


def table(found: Mapping[str, Mapping[str, Rates]]) -> Iterator[str]:
    """The lines of the table: the languages, the average, and then each domain."""
    systems = {system: with_average(sets) for system, sets in found.items()} | printed()
    names = sorted({name for sets in found.values() for name in sets})
    languages = [name for name in names if name.count("-") == 1]
    yield f"| Test set \\ Model | {' | '.join(systems)} |"
    yield f"|---{'|---' * len(systems)}|"
    for name in (*languages, _AVERAGE, *(name for name in names if name not in languages)):
        cells = (shown(sets.get(name, ())) for sets in systems.values())
        yield f"| {'Average F1' if name == _AVERAGE else name} | {' | '.join(cells)} |"


def shown(rates: Rates) -> str:
    """Rates with two decimals, as the report has them."""
    return " / ".join("-" if rate is None else f"{rate:.2f}" for rate in rates) or "-"


def main(
    scores: Annotated[Path, typer.Argument(help="folder with a score.json of each test set and system")],
    out: Annotated[Path, typer.Argument(help="Markdown file to write")],
) -> None:
    """Write the table."""
    lines = [*table(scores_below(scores))]
    heading = (
        "Precision / recall / F1 in percent, exclamation marks left out; printed columns are of the report's own sets."
    )
    write_lines(out, ["## In the layout of the report", "", heading, "", *lines])


if __name__ == "__main__":
    run(main)
