"""Lists of egs/mini_hotwords: the targets of the test set among names and terms that nobody says, and these alone.

About one in ten of those others is made by the grammars of the targets, so that the model can write it and it sounds
like a target; the rest has any common characters, and names in letters that are made of syllables. None is said in the
test set, none is part of a target or has one in it, and none is read like a target, tones included.
"""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from grammar import Grammar
from names import GRAMMARS, TARGETS, Names, Target, compact, read_targets
from pypinyin import Style, lazy_pinyin

from firered.data.datadir import DataDir, write_lines
from firered.errors import DataError

SIZES = (100, 1000, 10_000, 100_000)
FEW = (3, 50, 1000)  # entries of the lists for sounds without speech
_ALIKE = 10  # one in so many is made by the grammars of the targets
_TRIES = 50  # draws for each entry
_UNIT = re.compile("[\u4e00-\u9fff]|[^\\s\u4e00-\u9fff]+")


def common_characters() -> str:
    """The 3,755 characters of the first level of GB 2312, the common ones."""
    codes = (bytes((row, cell)) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return "".join(code.decode("gb2312", errors="ignore") for code in codes)


def units_of(text: str) -> list[str]:
    """The Chinese characters and words of a text, in lower case."""
    return _UNIT.findall(text.lower())


def spans(texts: Sequence[str]) -> set[str]:
    """What a text has from one character or word to another, of all texts, as `compact` gives it."""
    found = set()
    for text in texts:
        units = units_of(text)
        found |= {
            "".join(units[first:last]) for first in range(len(units)) for last in range(first + 1, len(units) + 1)
        }
    return found


def sound(text: str) -> str:
    """Pinyin with tones of Chinese characters, letters as they are."""
    return "".join(lazy_pinyin(compact(text), style=Style.TONE3, neutral_tone_with_five=True))


class Others:
    """Entries that nobody says in the test set, each once.

    Args:
        targets: what is said.
        said: the texts of the test set.
        seed: of all random numbers.
    """

    def __init__(self, targets: Sequence[Target], said: Sequence[str], seed: int) -> None:
        self._rng = random.Random(seed)
        self._names = Names(self._rng)
        self._any = Grammar(GRAMMARS / "others.txt", more={"HAN": common_characters()})
        self._targets = [compact(target.text) for target in targets]
        self._said = spans(said)
        self._sounds = {sound(target.text) for target in targets}
        self._kinds = [(grammar, topic) for grammar, topics in TARGETS.items() for topic in topics]

    def draw(self, count: int) -> Iterator[str]:
        """So many entries.

        Raises:
            DataError: the grammars have too few.
        """
        known: set[str] = set()
        for attempt in range(_TRIES * count):
            if len(known) == count:
                return
            entry = self._entry(alike=attempt % _ALIKE == 0)
            own = compact(entry)
            if own not in known and self._is_other(own):
                known.add(own)
                yield entry
        if len(known) < count:
            raise DataError(f"only {len(known)} of {count} entries: the grammars in {GRAMMARS} are too small")

    def _entry(self, *, alike: bool) -> str:
        return self._names.name(*self._rng.choice(self._kinds)) if alike else self._any.sentence(self._rng)

    def _is_other(self, own: str) -> bool:
        if own in self._said or any(own in target or target in own for target in self._targets):
            return False
        return sound(own) not in self._sounds


def main(
    data: Annotated[Path, typer.Argument(help="folder that make_set.py wrote")],
    out: Annotated[Path, typer.Argument(help="folder for the lists")],
    seed: Annotated[int, typer.Option(help="seed of all random numbers", min=0)] = 1,
    largest: Annotated[int, typer.Option(help="lists of more entries are left out", min=1)] = SIZES[-1],
) -> None:
    """Write targets.txt with topics; with/SIZE.txt and without/SIZE.txt: targets among others, others; few/SIZE.txt."""
    targets = read_targets(data / "targets.tsv")
    texts = [target.text for target in targets]
    sizes = [size for size in SIZES if size <= largest]
    others = list(Others(targets, list(DataDir(data / "test").text.values()), seed).draw(max(sizes)))
    rng = random.Random(seed)
    lines: list[str] = []
    for topic in sorted({target.topic for target in targets}):
        lines += [f"# topic: {topic}", *(target.text for target in targets if target.topic == topic)]
    write_lines(out / "targets.txt", lines)
    for size in sizes:
        mixed = [*texts, *others[: size - len(texts)]]
        rng.shuffle(mixed)
        write_lines(out / f"with/{size}.txt", mixed)
        write_lines(out / f"without/{size}.txt", others[:size])
    for size in (size for size in FEW if size <= largest):
        write_lines(out / f"few/{size}.txt", rng.sample([*texts, *others[:size]], size))
    print(f"{len(texts)} targets; lists of {', '.join(map(str, sizes))} entries")


if __name__ == "__main__":
    typer.run(main)
