"""Files replaced in one step: a reader, a full disk or a kill never sees or leaves half of one."""

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firered.errors import writing
from firered.processes import is_alive

_PREFIX, _SUFFIX = ".firered-", ".tmp"
_LONGEST = 255 - len(".") - len(_SUFFIX)  # bytes of a name that the rest still goes with
_OWNED = re.compile(r"(.+)-(\d+)-[0-9a-z_]{8}(\.\w+)?")


def owner() -> str:
    """What stands in a temporary file's name before eight characters of chance: it says whose the file is."""
    return f"{socket.gethostname()}-{os.getpid()}-"


def left_by_the_dead(folder: Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """Files of a folder that are named prefix, `owner`, chance and suffix, whose process on this machine has ended."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(suffix)):
                continue
            named = _OWNED.fullmatch(entry.name[len(prefix) : len(entry.name) - len(suffix)])
            if named and named[1] == socket.gethostname() and not is_alive(int(named[2])):
                yield Path(entry.path)


@functools.lru_cache(maxsize=1000)
def _remove_unfinished(folder: Path) -> None:
    """Remove what killed processes of this machine have left of files that were being written into a folder."""
    with contextlib.suppress(OSError):
        for path in left_by_the_dead(folder, _PREFIX, _SUFFIX):
            path.unlink(missing_ok=True)


def _short(name: str) -> str:
    """The name, or a digest of one that is as long as a name may be."""
    raw = os.fsencode(name)
    return name if len(raw) <= _LONGEST else hashlib.sha256(raw).hexdigest()


@contextmanager
def replacing(path: Path, *, only_writer: bool = False) -> Iterator[Path]:
    """The path of an unfinished file beside `path`, which takes its place when the block ends without an error.

    Args:
        path: of the file; its folder is made where there is none.
        only_writer: nobody else writes this file at the same time. The unfinished one then has a fixed name, so that
            the next run writes over what a killed one left; otherwise each has a name of its own, by which
            the next process that writes into the folder knows it for a killed one's.

    Raises:
        FireRedError: the file cannot be written, or what the block writes into; it names `path`.
    """
    # Not the file's own name and more where others write, too: it might be too long.
    own = f".{_short(path.name)}{_SUFFIX}"
    name = own if only_writer else f"{_PREFIX}{owner()}{secrets.token_hex(4)}{_SUFFIX}"
    unfinished = path.with_name(name)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(path.parent)
        try:
            yield unfinished
            os.replace(unfinished, path)  # noqa: PTH105 - the call that is atomic, by its own name
        finally:
            with contextlib.suppress(OSError):  # an error of the block says more
                unfinished.unlink(missing_ok=True)
