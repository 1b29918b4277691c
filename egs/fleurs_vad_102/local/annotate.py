"""Recordings of FLEURS to be labelled by hand: drawn and listed, then with a detector's labels as drafts."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import run
from firered.corpora.drafts import LIST, draw_fleurs, write_drafts
from firered.errors import OptionError


def main(
    step: Annotated[str, typer.Argument(metavar="STEP", help="draw, or write", show_default=False)],
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="FLEURS", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="for labels", show_default=False)],
    work: Annotated[Path, typer.Argument(metavar="WORK", help="its data/ and vad/", show_default=False)],
    each: Annotated[int, typer.Option(help="recordings of a language")] = 100,
    seed: Annotated[int, typer.Option(help="of the draw")] = 0,
) -> None:
    """Draw recordings of every language into DIR/drawn.tsv and WORK/data; write WORK/vad as TextGrids into DIR."""
    if step == "draw":
        drawn = draw_fleurs(corpus, folder, work / "data", each, seed)
        languages = len({item.language for item in drawn})
        print(f"{len(drawn)} recordings of {languages} languages, listed in {folder / LIST}", file=sys.stderr)
    elif step == "write":
        written = write_drafts(work / "vad", work / "data", folder)
        print(f"{written} drafts written to {folder}; those that were there are as they were", file=sys.stderr)
    else:
        raise OptionError(f"{step}: neither draw nor write")


if __name__ == "__main__":
    run(main)
