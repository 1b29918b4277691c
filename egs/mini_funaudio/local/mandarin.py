"""A data directory of the Mandarin sentences of egs/mini without invented names, as many as are wanted.

It has no utt2lang: recognition would name the language in the prompt, which the small models are never trained with.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import DataDir
from firered.data.partition import subset
from firered.errors import FireRedError


def chosen(utterances: list[str]) -> list[str]:
    """Those whose ids say so: VOICE-zh-NUMBER; others are VOICE-zh-named-NUMBER, or of other languages."""
    return [key for key in utterances if key.split("-")[1:-1] == ["zh"]]


def main(
    data: Annotated[Path, typer.Argument(help="data directory of egs/mini")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
    most: Annotated[int, typer.Option(help="utterances at most", min=1)] = 100000,
) -> None:
    """Write the data directory."""
    try:
        source = DataDir(data)
        subset(source, chosen(source.utterances())[:most], out)
        (out / "utt2lang").unlink(missing_ok=True)
    except FireRedError as error:
        sys.exit(f"mandarin.py: {error}")


if __name__ == "__main__":
    typer.run(main)
