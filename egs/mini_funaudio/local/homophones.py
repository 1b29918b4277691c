"""Sentences with names that sound alike and are written differently, so that only something else tells which it is.

A name has two syllables, each of which is written with one of three characters (tables/homophones.tsv). A title behind
it tells which: it gives the column of both. Sentences without a title leave it open. Names of `test` are in no other
set.
"""

import random
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from firered.errors import DataError

_EGS = Path(__file__).resolve().parents[2]
_TABLES = _EGS / "mini_funaudio/tables"
sys.path.append(str(_EGS / "mini/local"))  # its scripts are no package

from grammar import Grammar  # noqa: E402
from write_sets import plain_text  # noqa: E402

TITLES = ("老师", "医生", "经理")  # of the columns
_TEST_SHARE = 5  # one in so many names is in the test set alone


@dataclass(frozen=True)
class Said:
    """A sentence with a name.

    Attributes:
        spoken: what is said: the name as the first column writes it.
        text: what is to be written.
        name: as it is written.
        titled: whether a title tells how it is written.
    """

    spoken: str
    text: str
    name: str
    titled: bool


class Homophones:
    """Draws names, and sentences for them.

    Args:
        part: `test`, or another set.

    Raises:
        DataError: a line of the table is none.
    """

    def __init__(self, part: str) -> None:
        self._rows = _rows(_TABLES / "homophones.tsv")
        self._grammar = Grammar(_EGS / "mini/grammar/zh.txt", _TABLES / "homophones_grammar.txt")
        pairs = [(one, other) for one in range(len(self._rows)) for other in range(len(self._rows)) if one != other]
        self.sounds = [pair for pair in pairs if (_hash(pair) % _TEST_SHARE == 0) == (part == "test")]
        self._sound = {char: number for number, row in enumerate(self._rows) for char in row}

    def alike(self) -> dict[str, tuple[str, ...]]:
        """The characters of the sound of each, itself among them."""
        return {char: row for row in self._rows for char in row}

    def written(self, sound: tuple[int, int], column: int) -> str:
        """A name as it is written in a column."""
        return "".join(self._rows[number][column] for number in sound)

    def sound(self, name: str) -> tuple[int, ...]:
        """What names that sound alike have in common."""
        return tuple(self._sound[char] for char in name)

    def sentence(self, rng: random.Random, sound: tuple[int, int], column: int, *, titled: bool) -> Said:
        """A sentence with the name of this sound, as that column writes it."""
        frame = plain_text(self._grammar.sentence(rng, "said"))
        name, title = self.written(sound, column), TITLES[column] if titled else ""
        said = (frame.replace("@", own + title) for own in (self.written(sound, 0), name))
        return Said(next(said), next(said), name, titled)

    def line(self, rng: random.Random, *, titled: bool | None = None) -> Said:
        """A sentence with any name of the set, with or without a title as drawn where it is not given."""
        titled = rng.random() < 0.5 if titled is None else titled
        return self.sentence(rng, rng.choice(self.sounds), rng.randrange(len(TITLES)), titled=titled)


def _rows(path: Path) -> list[tuple[str, ...]]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            _, *characters = line.split("\t")
            if len(characters) != len(TITLES) or any(len(own) != 1 for own in characters):
                raise DataError(f"{path}:{number}: a syllable and {len(TITLES)} characters expected")
            found.append(tuple(characters))
    return found


def _hash(pair: tuple[int, int]) -> int:
    return zlib.crc32(f"{pair[0]} {pair[1]}".encode())
