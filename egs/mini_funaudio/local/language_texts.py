"""Sentences of one language for training, dev and testing, by its grammar of egs/mini, for firered-speak to say.

A hash of the sentence decides which set it belongs to: what one set has, no other gets.
"""

import random
import sys
import zlib
from pathlib import Path
from typing import Annotated

import typer
from grammar import Grammar
from write_sets import plain_text

from firered.data.datadir import write_table
from firered.errors import DataError, FireRedError

_TWENTIETHS = {"test": range(3), "dev": range(3, 4), "train": range(4, 20)}
_TRIES = 200  # sentences drawn for each that is wanted


def set_of(text: str) -> str:
    """The set that a sentence belongs to."""
    twentieth = zlib.crc32(text.encode()) % 20
    return next(name for name, own in _TWENTIETHS.items() if twentieth in own)


def sentences(grammar: Grammar, name: str, count: int, seed: int) -> list[str]:
    """So many different sentences of a set, without marks, in the order in which they were drawn.

    Raises:
        DataError: the grammar has fewer.
    """
    rng = random.Random(f"{seed} {name}")
    found: dict[str, None] = {}
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        text = plain_text(grammar.sentence(rng)).lower()
        if set_of(text) == name:
            found.setdefault(text)
    if len(found) < count:
        raise DataError(f"only {len(found)} of {count} different sentences for {name}: grammar too small")
    return list(found)


def main(
    rules: Annotated[Path, typer.Argument(help="grammar of the language, LANGUAGE.txt")],
    out: Annotated[Path, typer.Argument(help="folder to write train, dev and test to")],
    train: Annotated[int, typer.Option(help="sentences for training", min=1)],
    dev: Annotated[int, typer.Option(help="sentences for dev", min=1)] = 10,
    test: Annotated[int, typer.Option(help="sentences for testing", min=1)] = 60,
    seed: Annotated[int, typer.Option(help="of what is drawn", min=0)] = 1,
) -> None:
    """Write the texts, with their language."""
    try:
        grammar = Grammar(rules)
        for name, count in {"train": train, "dev": dev, "test": test}.items():
            texts = sentences(grammar, name, count, seed)
            keys = [f"{rules.stem}-{number:04d}" for number in range(count)]
            write_table(out / name / "text", dict(zip(keys, texts, strict=True)))
            write_table(out / name / "utt2lang", dict.fromkeys(keys, rules.stem))
    except FireRedError as error:
        sys.exit(f"language_texts.py: {rules}: {error}")


if __name__ == "__main__":
    typer.run(main)
