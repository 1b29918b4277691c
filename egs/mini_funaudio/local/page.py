"""RESULTS.md of egs/mini_funaudio: a section of each part that has been run."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import write_lines
from firered.errors import FireRedError
from firered.version import __version__


def page(exp: Path, parts: Path) -> Iterator[str]:
    """Lines of the page: for each part NAME with a folder in exp, those of `section` of NAME_results.py beside this."""
    yield "# Results of egs/mini_funaudio"
    yield ""
    yield f"Written by `run.sh` (firered {__version__}) from what it measured. Models and data are small: the figures"
    yield "compare trainings with each other, and do not say how large an effect is at scale."
    for part in sorted(path.stem for path in parts.glob("*.sh")):
        if (exp / part).is_dir():
            yield ""
            yield from importlib.import_module(f"{part}_results").section(exp)


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
