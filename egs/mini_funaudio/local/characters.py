"""Pieces of a CTC head that are the characters of a text: of Mandarin it learns these sooner than pieces of phrases.

Byte-pair encoding puts a character together from the left, so its beginnings are pieces, too, and every byte is one.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import read_table
from firered.errors import FireRedError
from firered.train.data.ctc_pieces import spoken, write_pieces


def pieces_of(texts: Iterable[str]) -> list[bytes]:
    """Pieces in the order of their ranks: all bytes, the beginnings of the characters, the characters."""
    longer = {text.encode() for text in set("".join(texts)) if len(text.encode()) > 1}
    begun = {char[:length] for char in longer for length in range(2, len(char))}
    return [
        *(bytes([number]) for number in range(256)),
        *sorted(begun, key=lambda part: (len(part), part)),
        *sorted(longer),
    ]


def main(
    texts: Annotated[list[Path], typer.Argument(help="data directories with `text`, and the file to write")],
) -> None:
    """Write the pieces, as `model.ctc_vocabulary` of firered-train reads them."""
    *sources, out = texts
    try:
        said = [spoken(text) for data in sources for text in read_table(data / "text").values()]
        write_pieces(out, pieces_of(said))
    except FireRedError as error:
        sys.exit(f"characters.py: {error}")


if __name__ == "__main__":
    typer.run(main)
