"""firered-table."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script
from firered.scoring.config import TableConfig


def table_command(
    scores: Annotated[
        list[Path],
        typer.Argument(metavar="SCORE...", help="score.json files, or folders that hold any", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="file to write, RESULTS.md", show_default=False)],
    config: TableConfig,
) -> None:
    """Write scores next to the papers' figures, with differences, intervals, and what produced them."""
    from firered.scoring.commands import run_table

    sys.exit(run_table(scores, out, config))


table = script(table_command)
