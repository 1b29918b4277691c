"""Names of output files: one for each recording or utterance id, and the way back."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from firered.data.datadir import read_table, write_table
from firered.errors import DataError

# The table of a folder that gives the id of each file whose name is not the id itself: `name id` a line.
FILE_NAMES = "file_names"

_LONGEST = 240  # bytes: 255 is what file systems hold, and the longest suffix here is .TextGrid
_MARK = re.compile(r"~[0-9a-f]{16}\Z", re.IGNORECASE)  # at the end of a name that was made
_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]")
_KEPT = 80  # characters of the id in a name that was made


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """The name, without suffix, of the file of each id; no two ids have the same.

    An id that can be a file's name is its name. Another name is made, of the id's beginning and a digest, such as
    `a_b~9c1185a5c5e9fc54`: where the id has a slash or a control character, is `.` or `..`, is too long with a suffix,
    looks like a name that was made, or differs only in case or in the form of its accents from one that sorts before it
    (which are one file on some systems).
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key in sorted(set(ids)):
        same = _folded(key)
        names[key] = key if same not in taken and _is_name(key) else _made(key)
        taken.add(same)
    return names


def _is_name(key: str) -> bool:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _LONGEST and key not in (".", "..") and not _UNSAFE.search(key) and not _MARK.search(key)


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def _made(key: str) -> str:
    raw = key.encode(errors="surrogatepass")
    start = _UNSAFE.sub("_", key[:_KEPT]).encode(errors="replace").decode()
    while len(start.encode()) > _LONGEST - 17:
        start = start[:-1]
    return f"{start}~{hashlib.sha256(raw).hexdigest()[:16]}"


def write_file_names(folder: Path, names: Mapping[str, str]) -> None:
    """Write the folder's `file_names`: the ids of files that are named otherwise; those of earlier runs stay in it.

    Raises:
        DataError: the table of an earlier run cannot be read.
    """
    path = folder / FILE_NAMES
    known = read_table(path) if path.is_file() else {}
    own = {name: key for key, name in names.items() if name != key}
    if own.keys() - known.keys():
        write_table(path, known | own)


def id_of(path: Path) -> str:
    """The id that a file is of: its name without suffix, or what `file_names` beside it says."""
    if _MARK.search(path.stem) and (path.parent / FILE_NAMES).is_file():
        return read_table(path.parent / FILE_NAMES).get(path.stem, path.stem)
    return path.stem


def path_of_id(folder: Path, key: str, suffix: str) -> Path:
    """The file of an id in a folder: under the id itself, or under the name that was made of it.

    Raises:
        DataError: there is neither.
    """
    for name in (key if _is_name(key) else "", _made(key)):
        if name and (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise DataError(f"{folder}: no {key}{suffix} here")
