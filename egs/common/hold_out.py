"""Cut a dev set off a training set that the corpus has none of."""

import zlib
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import run
from firered.data.datadir import DataDir
from firered.data.partition import subset
from firered.errors import DataError


def main(
    data: Annotated[Path, typer.Argument(help="data directory")],
    count: Annotated[int, typer.Argument(help="utterances of the dev set", min=1)],
    rest: Annotated[Path, typer.Argument(help="data directory of the others, to write")],
    held: Annotated[Path, typer.Argument(help="data directory of the dev set, to write")],
) -> None:
    """Write two data directories, of COUNT utterances and of all others; a hash of their ids says which.

    The speakers of the dev set are in training, too: its error rate is lower than that of others.
    """
    source = DataDir(data)
    keys = sorted(source.utterances(), key=lambda key: (zlib.crc32(key.encode()), key))
    if count >= len(keys):
        raise DataError(f"{data}: {len(keys)} utterances, of which {count} cannot be held out and any be left")
    subset(source, sorted(keys[count:]), rest)
    subset(source, sorted(keys[:count]), held)


if __name__ == "__main__":
    run(main)
