#!/usr/bin/env python3
"""Split a Kaldi data directory into parts of about the same duration."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import DataDir
from firered.data.partition import current_split, split
from firered.errors import FireRedError

NAME = "split_data.py"


def main(
    directory: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    nj: Annotated[int, typer.Argument(metavar="NJ", show_default=False, help="at most so many parts")],
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", show_default=False, help="by default DIR/split<NJ>utt")
    ] = None,
) -> None:
    """Split a Kaldi data directory by utterance into OUT/1, OUT/2, ..., of about the same duration each.

    What was cut from one recording stays together. Prints how many parts there are: fewer than NJ where there is less
    to share out. Does nothing where a whole split newer than its source is there already.
    """
    try:
        source = DataDir(directory)
        parts = current_split(source, nj, out)
        if parts:
            print(f"{NAME}: {parts[0].parent} is newer than {directory}: not split again", file=sys.stderr)
        else:
            parts = split(source, nj, out)
    except FireRedError as error:
        sys.exit(f"{NAME}: {error}")
    print(len(parts))


if __name__ == "__main__":
    typer.run(main)
