#!/usr/bin/env python3
"""Merge Kaldi data directories."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.partition import combine
from firered.errors import FireRedError

NAME = "combine_data.py"


def main(
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    parts: Annotated[list[Path], typer.Argument(metavar="DIR", show_default=False)],
) -> None:
    """Merge Kaldi data directories into OUT, the same whatever their order and number.

    An id that two of them have must stand for the same in both.
    """
    try:
        combine(parts, out)
    except FireRedError as error:
        sys.exit(f"{NAME}: {error}")


if __name__ == "__main__":
    typer.run(main)
