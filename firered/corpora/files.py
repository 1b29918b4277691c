"""Files of corpora and the recipes' own tables, read row by row; errors name what is missing."""

import logging
import os
import re
import shlex
from collections.abc import Collection, Container, Iterator
from pathlib import Path

from firered.data.files import is_hidden, visible
from firered.data.lines import read_lines
from firered.errors import DataError

log = logging.getLogger(__name__)

OPEN = "-"  # value in a recipe's table: not known, or not to be scored
README = "the recipe's README.md shows the layout"
MOST_NAMES = 12  # of a folder's entries that a message names
MOST_COMMANDS = 3
_POINTER = b"version https://git-lfs"

Substitution = tuple[re.Pattern[str], str]


def need(path: Path, get: str = "") -> Path:
    """The path itself, which exists; `get` tells how to come by it.

    Raises:
        DataError: it does not exist.
    """
    if not path.exists():
        raise not_there(path, get)
    return path


def not_there(path: Path, get: str = "") -> DataError:
    """An error that names what is expected, what is there in its place, and the commands to run.

    Where archives lie in its place they are to be unpacked; else `get` tells how to come by it.
    """
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    commands = unpacking(folder)
    advice = f"unpack it: {' && '.join(commands[:MOST_COMMANDS])}" if commands else get
    return DataError(f"{path}: not there; {holds(folder)}{f'; {advice}' if advice else ''}; {README}")


def holds(folder: Path) -> str:
    """What a folder has in it, for messages: its first entries by name."""
    if not folder.is_dir():
        return f"there is no {folder}"
    names = [f"{path.name}/" if path.is_dir() else path.name for path in visible(folder, "*")]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{folder} holds {', '.join(names[:MOST_NAMES])}{more}" if names else f"{folder} is empty"


def files_below(folder: Path, *suffixes: str) -> list[Path]:
    """The files whose names end so, in capitals or not, in a folder and those in it; sorted, without hidden ones.

    Links to folders are followed, each folder once.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [name for name in folders if not is_hidden(name) and real not in seen]
        if real not in seen:
            found += [Path(place, n) for n in names if n.lower().endswith(suffixes) and not is_hidden(n)]
        seen.add(real)
    return sorted(found)


def unpacking(folder: Path) -> list[str]:
    """The commands that unpack the archives in a folder where they lie; many of a kind are one loop."""
    tars = sorted(path for kind in ("*.tar.gz", "*.tgz", "*.tar") for path in visible(folder, kind))
    at = shlex.quote(str(folder))
    commands = [f"tar -xf {shlex.quote(str(path))} -C {at}" for path in tars]
    if len(tars) > MOST_COMMANDS:
        kind = "".join(tars[0].suffixes[-2:]) if tars[0].name.endswith(".tar.gz") else tars[0].suffix
        commands = [f'for archive in {at}/*{kind}; do tar -xf "$archive" -C {at}; done']
    return commands + [f"unzip -d {at} {shlex.quote(str(path))}" for path in visible(folder, "*.zip")]


def check_fetched(path: Path) -> None:
    """Raise DataError where a file is not there, or only the note that git-lfs puts in its place."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_POINTER))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if start == _POINTER:
        at = shlex.quote(str(path.parent))
        raise DataError(f"{path}: only a pointer of git-lfs, not the file; fetch it: git -C {at} lfs pull")


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
