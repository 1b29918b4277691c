"""Files replaced in one step: a reader, a full disk or a kill never sees or leaves half of one."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 255 - len(".") - len(f".{secrets.token_hex(4)}.tmp")  # bytes of a name that the rest still goes with


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
            the next run writes over what a killed one left; otherwise each has a name of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = "" if only_writer else f".{secrets.token_hex(4)}"
    unfinished = path.with_name(f".{_short(path.name)}{unique}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)  # noqa: PTH105 - the call that is atomic, by its own name
    finally:
        with contextlib.suppress(OSError):  # an error of the block says more
            unfinished.unlink(missing_ok=True)
