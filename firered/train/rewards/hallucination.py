"""Invented text, found by regular expressions (R3 of the report)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from firered.data.lines import read_lines
from firered.errors import DataError
from firered.train.rewards.reward import Rollout, Wanted

_ANY = "*"
_LONGEST = 4000  # characters that are looked at: a longer text has been punished long before


@dataclass(frozen=True)
class Pattern:
    """A regular expression of invented text, in one language or (`*`) in all."""

    language: str
    expression: re.Pattern[str]


def patterns_of(lines: Iterable[tuple[int, str]], where: str) -> list[Pattern]:
    """The patterns of numbered lines: a language or *, a tab, an expression; `#` begins a comment.

    Raises:
        DataError: a line is none; it is named.
    """
    found = []
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        language, tab, expression = line.rstrip("\n").partition("\t")
        if not tab or not expression:
            raise DataError(f"{where}:{number}: not a language or *, a tab and a regular expression: {line!r}")
        try:
            found.append(Pattern(language.strip(), re.compile(expression, re.IGNORECASE)))
        except re.error as error:
            raise DataError(f"{where}:{number}: not a regular expression: {expression!r} ({error})") from error
    return found


class Hallucination:
    """The penalty: minus the share of the text's characters that lie in what a pattern finds, 0 to -1.

    What the reference says too is no invention: genuine repetitions are among the training data on purpose.

    Args:
        more: a file of further patterns; empty: none.
    """

    def __init__(self, more: str = "") -> None:
        own = files("firered.train.rewards") / "hallucinations.tsv"
        self.patterns = patterns_of(enumerate(own.read_text(encoding="utf-8").splitlines(), 1), str(own))
        if more:
            self.patterns += patterns_of(read_lines(Path(more)), more)

    def __call__(self, rollout: Rollout, wanted: Wanted) -> float:
        """The penalty of a text."""
        text = rollout.text[:_LONGEST]
        invented = sum(end - start for start, end in self.spans(text, wanted))
        return -invented / len(text) if text else 0.0

    def spans(self, text: str, wanted: Wanted) -> list[tuple[int, int]]:
        """Where invented text is, as places of characters that do not overlap, in order."""
        reference = _plain(wanted.text)
        found: list[tuple[int, int]] = []
        for pattern in self.patterns:
            if pattern.language not in (_ANY, wanted.language):
                continue
            for match in pattern.expression.finditer(text):
                if match.group() and _plain(match.group()) not in reference:
                    found.append(match.span())
        return _joined(found)


def _plain(text: str) -> str:
    """A text without what is not read: case, spaces and marks."""
    return "".join(filter(str.isalnum, text.casefold()))


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
