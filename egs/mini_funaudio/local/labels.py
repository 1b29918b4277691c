"""A data directory of a share of another's utterances, those of which the labels are taken to be known."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from firered.data.datadir import DataDir
from firered.data.partition import subset
from firered.errors import FireRedError


def chosen(utterances: list[str], percent: float, seed: int) -> list[str]:
    """So many of the utterances, at least one; those of a smaller share are among those of a larger one."""
    order = np.random.default_rng(seed).permutation(len(utterances))
    return sorted(utterances[index] for index in order[: max(1, round(len(utterances) * percent / 100))])


def main(
    data: Annotated[Path, typer.Argument(help="data directory")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
    percent: Annotated[float, typer.Option(help="of the utterances", min=0, max=100)],
    seed: Annotated[int, typer.Option(help="of what is drawn", min=0)] = 1,
) -> None:
    """Write the data directory."""
    try:
        source = DataDir(data)
        subset(source, chosen(source.utterances(), percent, seed), out)
    except FireRedError as error:
        sys.exit(f"labels.py: {error}")


if __name__ == "__main__":
    typer.run(main)
