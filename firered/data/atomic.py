"""Files replaced in one step: a reader, a full disk or a kill never sees or leaves half of one."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    unfinished = path.with_name(f".{path.name}{unique}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)  # noqa: PTH105 - the call that is atomic, by its own name
    finally:
        with contextlib.suppress(OSError):  # an error of the block says more
            unfinished.unlink(missing_ok=True)
