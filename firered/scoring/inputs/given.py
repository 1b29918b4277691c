"""Results that were made elsewhere, by a service or another toolkit: which file is of which test set."""

import re
from collections.abc import Sequence
from pathlib import Path

from firered.data.files import visible
from firered.errors import DataError, OptionError

_TABLES = ("text", "utt2lang", "rttm", "segments")  # by one of which a folder is a data directory


def given_for(given: str, name: str, sets: Sequence[str]) -> Path:
    """The file or folder that holds the results of the test set `name`, as firered-score reads it.

    Args:
        given: the file of the only set; a folder with a file or folder `<set>` or a file `<set>.<anything>` for each;
            or `set=path`, several with commas or blanks between them.
        name: the set.
        sets: all sets of the recipe that are to be scored.

    Raises:
        OptionError: it is a file, and there are several sets; or it names a set that is not one of them.
        DataError: there is nothing at such a path, or nothing of this set.
    """
    place = Path(given)
    if place.is_file():
        if len(sets) > 1:
            raise OptionError(f"hyp: {given} is one file, for {' and '.join(sets)}; give `set=file`, or a folder")
        return place
    if place.is_dir():
        return _inside(place, name, alone=len(sets) == 1)
    named = _named(given, sets)
    if name not in named:
        raise DataError(f"hyp: nothing is given of {name}, only of {', '.join(named)}; --sets takes some of the sets")
    if not named[name].exists():
        raise DataError(f"hyp: {named[name]}: no such file or directory")
    return named[name]


def _named(given: str, sets: Sequence[str]) -> dict[str, Path]:
    """The paths of `set=path` pairs; a path goes on up to the next pair, or to the end."""
    pairs = list(re.finditer(rf"(?:^|[,\s]\s*)({'|'.join(map(re.escape, sets))})=", given))
    if not pairs or pairs[0].start() > 0:
        first = re.match(r"([\w.-]+)=", given)
        if first:
            raise OptionError(f"hyp: {first[1]} is not one of the test sets here: {', '.join(sets)}")
        raise DataError(f"hyp: {given}: no such file or directory")
    ends = [pair.start() for pair in pairs[1:]] + [len(given)]
    named: dict[str, Path] = {}
    for pair, end in zip(pairs, ends, strict=True):
        if pair[1] in named:
            raise OptionError(f"hyp: {pair[1]} is there twice")
        named[pair[1]] = Path(given[pair.end() : end])
    return named


def _inside(folder: Path, name: str, *, alone: bool) -> Path:
    """What a folder holds of a set; of the only one it may be the data directory itself."""
    if (folder / name).exists():
        return folder / name
    found = [path for path in visible(folder, "*") if path.is_file() and path.name.startswith(f"{name}.")]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{folder}: several files of {name}: {names}; keep one of them")
    if found:
        return found[0]
    if alone and any((folder / table).is_file() for table in _TABLES):
        return folder
    raise DataError(f"{folder}: no file {name} or {name}.* here; --sets takes some of the sets")
