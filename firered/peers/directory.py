"""The directory of a peer's weights, looked at before its library does: some fetch what is missing, or do without."""

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
