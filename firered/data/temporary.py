"""Temporary files that say whose they are: those of a killed run are removed by the next."""

import contextlib
import functools
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any

from firered.data.atomic import left_by_the_dead, owner

_PREFIX = "firered-"


def named_file(suffix: str = "") -> "tempfile._TemporaryFileWrapper[bytes]":
    """An open file with a name, in the folder for temporary files; it is removed when it is closed."""
    folder = place()
    _remove_left(folder)
    return tempfile.NamedTemporaryFile(prefix=f"{_PREFIX}{owner()}", suffix=suffix, dir=folder)


def named_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder in the folder for temporary files; it is removed when it is closed."""
    folder = place()
    _remove_left(folder)
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{owner()}", dir=folder)


def nameless_file() -> IO[Any]:
    """An open file that nobody else finds, and that goes with its process."""
    return tempfile.TemporaryFile(prefix=_PREFIX, dir=place())


def place() -> Path:
    """The folder for temporary files."""
    return Path(tempfile.gettempdir())


def name_of_place() -> str:
    """The folder for messages about it."""
    return f"{place()} (the folder for temporary files; TMPDIR names another)"


@functools.cache
def _remove_left(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in left_by_the_dead(folder, _PREFIX):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
