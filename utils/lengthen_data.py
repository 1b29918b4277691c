#!/usr/bin/env python3
"""Long utterances of a Kaldi data directory, with what was said before each."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.corpora.made.lengthened import lengthen
from firered.errors import FireRedError

NAME = "lengthen_data.py"


def main(
    directory: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    seconds: Annotated[float, typer.Option(min=1, help="of an utterance, at most")] = 300.0,
    gap: Annotated[float, typer.Option(min=0, help="seconds between utterances that are put together, at most")] = 2.0,
) -> None:
    """Put the utterances of each recording together, up to SECONDS each, for contextual training.

    What is longer is cut: between utterances, and within those that are longer themselves between the words of the
    file ctm. The table `previous` of OUT has the text of the piece before each. Utterances that cannot be cut are in
    OUT/failed, and the exit status is 1.
    """
    logging.basicConfig(format=f"{NAME}: %(message)s", level=logging.INFO)
    try:
        status = lengthen(directory, out, seconds, gap)
    except FireRedError as error:
        sys.exit(f"{NAME}: {error}")
    sys.exit(status)


if __name__ == "__main__":
    typer.run(main)
