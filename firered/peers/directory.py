"""What other libraries are kept from: fetching weights or doing without them, and other people's messages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firered.errors import ModelError
from firered.text.files import check_file


def check_directory(directory: str | None, needed: tuple[str, ...]) -> Path:
    """The directory of a peer's weights, in which these files are.

    Raises:
        ModelError: one of them is not there, empty, or a pointer of Git LFS.
    """
    if directory is None:
        raise ModelError("its weights are a directory: name it with --model")
    for name in needed:
        check_file(Path(directory) / name)
    return Path(directory)


@contextmanager
def log_left_alone() -> Iterator[None]:
    """Some packages set the level of everybody's messages when they are imported or used: ours stay as they are."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
