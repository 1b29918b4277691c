"""Random sentences by the rules of a text file."""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from firered.errors import DataError

_SLOT = re.compile(r"\{(\w+)\}")


class Grammar:
    """Rules `NAME = alternative | alternative`, where {NAME} in an alternative stands for any of that rule's.

    Several lines of one name add up, over all files too; a sentence is an alternative of the rule `S` with every slot
    filled.

    Args:
        paths: files of rules.
        more: alternatives of rules that are in no file.

    Raises:
        DataError: a file is missing, a line is no rule, or a slot names none.
    """

    def __init__(self, *paths: Path, more: Mapping[str, Sequence[str]] | None = None) -> None:
        self._rules: dict[str, list[str]] = {name: list(alternatives) for name, alternatives in (more or {}).items()}
        for path in paths:
            self._read(path)
        slots = {slot for rule in self._rules.values() for part in rule for slot in _SLOT.findall(part)} | {"S"}
        if missing := sorted(slots - self._rules.keys()):
            raise DataError(f"{paths[-1]}: no rule for {', '.join(missing)}")

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        for number, line in enumerate(lines, start=1):
            if line and not line.startswith("#"):
                name, equals, alternatives = line.partition(" = ")
                if not equals or not name.isidentifier():
                    raise DataError(f"{path}:{number}: `NAME = alternative | alternative` expected")
                self._rules.setdefault(name, []).extend(part.strip() for part in alternatives.split("|"))

    def sentence(self, rng: random.Random, rule: str = "S") -> str:
        """A sentence with its punctuation, or what another rule gives; all alternatives of a rule are as likely."""
        return self._expand(rule, rng)

    def phrase(self, rng: random.Random) -> str:
        """A part of a sentence: what any slot may hold, every rule as likely as the others."""
        return self._expand(rng.choice(sorted(self._rules.keys() - {"S"})), rng)

    def _expand(self, name: str, rng: random.Random) -> str:
        return _SLOT.sub(lambda slot: self._expand(slot[1], rng), rng.choice(self._rules[name]))
