"""The languages and Chinese dialects that the released model knows, with their names (FireRedASR2S, tables 7 and 8)."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from firered.errors import OptionError
from firered.text.tokenizer import EOS_ID, SPECIAL

CHINESE = "zh"  # the language that has dialects


@dataclass(frozen=True)
class Label:
    """One row of the table; `level` is `language` or `dialect`."""

    level: str
    code: str
    english: str
    chinese: str


@cache
def labels() -> tuple[Label, ...]:
    """All labels, languages first."""
    with resources.files("firered.lid").joinpath("labels.tsv").open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return tuple(Label(row["level"], row["code"], row["english"], row["chinese"]) for row in rows)


@cache
def dialects() -> frozenset[str]:
    """Codes of the Chinese dialects."""
    return frozenset(label.code for label in labels() if label.level == "dialect")


def split_label(lang: str) -> tuple[str, str | None]:
    """Language and, where there is one, dialect of a decoded label such as `zh mandarin`."""
    language, _, dialect = lang.partition(" ")
    return language, dialect or None


class Grammar:
    """Which label tokens may follow which, over the ids of one model's dictionary.

    Args:
        symbols: the dictionary in the order of its ids.
        constrain: a dialect after `zh`, always, and after nothing else.
        languages: the only languages and dialects that may win; a dialect stands for Chinese with that dialect. Empty:
            all of them.

    Raises:
        OptionError: one of `languages` is not in the dictionary.
    """

    def __init__(self, symbols: Sequence[str], *, constrain: bool, languages: Sequence[str]) -> None:
        named = range(len(SPECIAL), len(symbols))
        self.dialects = [i for i in named if symbols[i] in dialects()]
        self.languages = [i for i in named if symbols[i] not in dialects()]
        self.chinese = symbols.index(CHINESE) if CHINESE in symbols else None
        self._everything = list(range(len(symbols)))
        self._constrain = constrain
        unknown = [code for code in languages if code not in symbols[len(SPECIAL) :]]
        if unknown:
            known = ", ".join(symbols[len(SPECIAL) :])
            raise OptionError(f"languages: {', '.join(unknown)} unknown to this model; it knows {known}")
        self._wanted = {i for i in named if symbols[i] in languages}

    @property
    def free(self) -> bool:
        """Whether anything may follow anything, as published."""
        return not self._constrain and not self._wanted

    def first(self) -> list[int]:
        """Ids that may come first."""
        if self._wanted:
            by_dialect = [self.chinese] if self._wanted.intersection(self.dialects) else []
            wanted = {*by_dialect, *self._wanted.intersection(self.languages)}
            return [i for i in self.languages if i in wanted]
        return self.languages if self._constrain else self._everything

    def second(self, language: int) -> list[int]:
        """Ids that may follow a language."""
        if language == self.chinese:
            named = [i for i in self.dialects if i in self._wanted]
            if named and self.chinese not in self._wanted:
                return named
            return self.dialects if self._constrain and self.dialects else [*self.dialects, EOS_ID]
        return self._everything if self.free else [EOS_ID]
