"""Tar files of recordings, compressed or not."""

import io
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from firered.corpora.files import check_fetched
from firered.errors import DataError

_NO_AUDIO = {".json", ".jsonl", ".txt", ".tsv", ".csv"}  # what stands beside recordings


def names(path: Path) -> set[str]:
    """The names of the recordings in a tar file, without folders and suffixes.

    Raises:
        DataError: it cannot be read to its end.
    """
    with _opened(path) as tar:
        return {stem for stem, _ in _recordings(tar)}


def extract(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
    """Name, suffix and content of each recording that is wanted, in the order they have in the file.

    Raises:
        DataError: the file cannot be read; what came before it is good.
    """
    left = set(wanted)
    with _opened(path) as tar:
        for stem, member in _recordings(tar):
            if stem in left and (stream := tar.extractfile(member)) is not None:
                yield stem, PurePosixPath(member.name).suffix, stream.read()
                left.remove(stem)
            if not left:
                return


def offsets(path: Path) -> dict[str, int]:
    """Where the bytes of each recording begin in a tar file that is not compressed, by its name without suffix.

    Raises:
        DataError: it is compressed, or cannot be read to its end.
    """
    with _opened(path, "r:") as tar:
        return {stem: member.offset_data for stem, member in _recordings(tar)}


def add_file(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Add a file to a tar file that is not compressed; the byte at which its content begins."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
    return tar.offset - -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


@contextmanager
def _opened(path: Path, mode: Literal["r", "r:"] = "r") -> Iterator[tarfile.TarFile]:
    check_fetched(path)
    try:
        with tarfile.open(path, mode) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: not a tar file, or cut short: {error}") from None


def _recordings(tar: Iterable[tarfile.TarInfo]) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for member in tar:
        name = PurePosixPath(member.name)
        if member.isfile() and name.suffix and name.suffix not in _NO_AUDIO and not name.name.startswith("."):
            yield name.stem, member
