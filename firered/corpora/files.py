"""Files of corpora and the recipes' own tables, read row by row; errors name what is missing."""

import logging
import re
from collections.abc import Collection, Container, Iterator
from pathlib import Path

from firered.data.lines import read_lines
from firered.errors import DataError

log = logging.getLogger(__name__)

OPEN = "-"  # value in a recipe's table: not known, or not to be scored

Substitution = tuple[re.Pattern[str], str]


def need(path: Path, hint: str = "the recipe's README.md shows the corpus' layout") -> Path:
    """The path itself, which exists.

    Raises:
        DataError: it does not exist; `hint` ends the message.
    """
    if not path.exists():
        raise DataError(f"{path}: not there; {hint}")
    return path


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers; Unicode's line separators are no line ends.

    Raises:
        DataError: the file cannot be read.
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, line


def rows(path: Path, columns: int, separator: str = "\t") -> Iterator[list[str]]:
    """The fields of each line that is not empty; quotes are characters like any other.

    Raises:
        DataError: the file cannot be read, or a line has another number of columns.
    """
    for number, line in numbered_lines(path):
        fields = [field.strip() for field in line.split(separator)]
        if len(fields) != columns:
            raise DataError(f"{path}:{number}: {len(fields)} columns where {columns} are needed: {line!r}")
        yield fields


def recipe_table(path: Path) -> dict[str, str]:
    """The rows `name<TAB>value` of a recipe's own table, without those whose value is `-`.

    Raises:
        DataError: a line is not of this form, or a name comes twice.
    """
    table: dict[str, str] = {}
    for number, line in numbered_lines(path):
        if line.startswith("#"):
            continue
        name, _, value = map(str.strip, line.partition("\t"))
        if not (name and value) or name in table:
            raise DataError(f"{path}:{number}: not a new `name<TAB>value`: {line!r}")
        table[name] = value
    return {name: value for name, value in table.items() if value != OPEN}


def present(wanted: Collection[str], here: Container[str], what: str) -> list[str]:
    """The members of `wanted` that are in `here`; a warning names the others."""
    found = [name for name in wanted if name in here]
    if len(found) < len(wanted):
        absent = [name for name in wanted if name not in here]
        log.warning("expected %d %s, found %d; without %s", len(wanted), what, len(found), ", ".join(absent))
    return found


def substitutions(path: Path) -> list[Substitution]:
    """A recipe's regular expressions, one per line, each with its replacement after a tab (by default, nothing).

    Raises:
        DataError: a line holds no regular expression.
    """
    found = []
    for number, line in numbered_lines(path):
        pattern, _, by = line.partition("\t")
        if line.startswith("#"):
            continue
        try:
            found.append((re.compile(pattern), by))
        except re.error as error:
            raise DataError(f"{path}:{number}: {pattern!r} is no regular expression: {error}") from None
    return found


def substituted(text: str, table: list[Substitution]) -> str:
    """The text with every pattern replaced, in the table's order."""
    for pattern, by in table:
        text = pattern.sub(by, text)
    return text
