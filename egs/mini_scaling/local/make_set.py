"""The corpus of egs/mini_scaling: one or two Mandarin digits an utterance, made as egs/mini makes its corpus.

The voices of test speak nowhere else; what they say is said in training, too.
"""

from pathlib import Path
from typing import Annotated

import typer
from make_corpus import Script, scaled, write_sets
from shards import Task

COUNTS = {"train": 2000, "dev": 100, "test": 400}
DIGITS = "零一二三四五六七八九"
MOST = 2  # digits of an utterance


class Digits(Script):
    """Numbers, digit by digit."""

    def numbers(self, part: str, count: int) -> list[Task]:
        """So many utterances in the voices of a part."""
        tasks = []
        for number in range(count):
            text = "".join(self._rng.choices(DIGITS, k=self._rng.randint(1, MOST)))
            line = self.line(part, "zh", text)
            tasks.append(Task(f"{line.voice.variant}-{number:05d}", (line,), varied=part != "test"))
        return tasks


def main(
    out: Annotated[Path, typer.Argument(help="folder for the data directories and, in wav/, their audio")],
    seed: Annotated[int, typer.Option(help="seed of all random numbers", min=0)] = 1,
    nj: Annotated[int, typer.Option(help="processes side by side", min=1)] = 1,
    scale: Annotated[float, typer.Option(help="size of all sets, against the full ones", min=0.01)] = 1.0,
) -> None:
    """Write train, dev and test."""
    script = Digits(seed)
    write_sets(out, {part: script.numbers(part, scaled(count, scale)) for part, count in COUNTS.items()}, nj, seed)


if __name__ == "__main__":
    typer.run(main)
