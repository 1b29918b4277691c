"""RESULTS.md of egs/mini_funaudio: a section of each part that has been run, and what all of them took."""

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from figures import processor_seconds, table

from firered.data.datadir import write_lines
from firered.errors import FireRedError
from firered.version import __version__

_COMMON = "data, features, language models of several parts"


def page(exp: Path, parts: Path) -> Iterator[str]:
    """Lines of the page: for each part NAME with scores in exp, those of `section` of NAME_results.py beside this.

    Some parts have trainings alone, with which other parts begin.
    """
    yield "# Results of egs/mini_funaudio"
    yield ""
    yield f"Written by `run.sh` (firered {__version__}) from what it measured. Models and data are small: the figures"
    yield "compare trainings with each other, and do not say how large an effect is at scale."
    steps: dict[str, str] = {}
    for part in sorted(path.stem for path in parts.glob("*.sh")):
        if any((exp / part / name).is_dir() for name in ("score", "count")):
            own = importlib.import_module(f"{part}_results")
            steps[part] = own.STEPS
            yield ""
            yield from own.section(exp)
    yield ""
    yield from time_section(processor_seconds(exp), steps)


def time_section(seconds: Mapping[str, float], steps: Mapping[str, str]) -> Iterator[str]:
    """Minutes of processor time of each part; `steps` are regular expressions of the names of its steps."""
    total = dict.fromkeys([*steps, _COMMON], 0.0)
    for name, spent in seconds.items():
        total[next((part for part, own in steps.items() if re.search(own, name)), _COMMON)] += spent
    yield "## Time"
    yield ""
    yield "Minutes of processor time, all seeds: a step runs one thread, so one core needs about as many minutes."
    yield ""
    rows = [[part, f"{spent / 60:.1f}"] for part, spent in total.items()]
    yield from table(["part", "minutes"], [*rows, ["all", f"{sum(total.values()) / 60:.1f}"]])


def main(
    exp: Annotated[Path, typer.Argument(help="folder of what was trained and measured")],
    parts: Annotated[Path, typer.Argument(help="folder of the parts' shell files")],
    out: Annotated[Path, typer.Argument(help="page to write")],
) -> None:
    """Write the page."""
    try:
        write_lines(out, list(page(exp, parts)))
    except FireRedError as error:
        sys.exit(f"page.py: {error}")


if __name__ == "__main__":
    typer.run(main)
