"""Where the bytes of a recording are: a file, the output of a pipe, a place in an archive, memory, an open file."""

import contextlib
import re
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from firered.audio.truncated import examined
from firered.data.files import BLANKS, is_pipe, reason_of, trouble_with
from firered.data.temporary import name_of_place, named_file
from firered.errors import AudioError, writing
from firered.processes import group

# A recording as the layers below the front door take it: a Kaldi extended file name (path, `command |`,
# `archive:offset`), the path of a file, or a binary file, which is read from its current position to its end.
Recording = str | Path | BinaryIO

_STDERR_TAIL = 300  # characters of another program's error output that are passed on
_LITTLE_ROOM = 1 << 20  # bytes
_TAR_BLOCK = 512  # bytes: a header, right before the file that it is of
_TAR_MAGIC = slice(257, 262)  # in a header
_TAR_SMALLEST = 8  # bytes that any audio has


@dataclass(frozen=True)
class Source:
    """The bytes of one recording, readable from any place; `name` is for messages."""

    name: str
    place: Path | bytes
    notes: tuple[str, ...] = ()  # what is amiss, though it was taken

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """A file for reading, at its start; every call opens one of its own."""
        with self.place.open("rb") if isinstance(self.place, Path) else BytesIO(self.place) as file:
            yield file

    def on_disk(self, stack: contextlib.ExitStack) -> Path:
        """The path of a file that holds it, for programs that read no memory; a temporary one goes with the stack."""
        if isinstance(self.place, Path):
            return self.place
        with self.opened() as file:
            return _copied(file, stack)


@contextlib.contextmanager
def open_source(recording: Recording, *, pipes: bool = True, allow_truncated: bool = False) -> Iterator[Source]:
    """The bytes of a recording; what had to be written to disk for them is removed afterwards.

    Raises:
        AudioError: nothing there, cut short (unless allowed), a failing or refused pipe.
    """
    with contextlib.ExitStack() as stack:
        try:
            source = _source_of(recording, pipes, stack)
            note = _cut_short(source, allow_truncated)
        except OSError as error:
            raise AudioError(f"{recording}: {reason_of(error)}") from error
        yield Source(source.name, source.place, (note,) if note else ())


def _source_of(recording: Recording, pipes: bool, stack: contextlib.ExitStack) -> Source:
    if isinstance(recording, str):
        return _of_rxfilename(recording.strip(BLANKS + "\n"), pipes, stack)
    if isinstance(recording, Path):
        return _of_file(recording)
    name = str(getattr(recording, "name", "")) or "the audio in memory"
    # What is in memory stays there, the rest goes onto disk: recordings may be hours long.
    try:
        place = recording.read() if isinstance(recording, BytesIO) else _copied(recording, stack)
    except (TypeError, ValueError, AttributeError) as error:  # a file of text, or one that cannot be read
        raise AudioError(f"{name}: not a binary file that can be read ({error})") from error
    if not (place if isinstance(place, bytes) else place.stat().st_size):
        raise AudioError(f"{name}: empty, there are no bytes to read")
    return Source(name, place)


def _of_file(path: Path) -> Source:
    if trouble := trouble_with(path):
        raise AudioError(f"{path}: {trouble}")
    return Source(str(path), path.absolute())  # for libsndfile and ffmpeg, `-` would be standard input


def _of_rxfilename(rxfilename: str, pipes: bool, stack: contextlib.ExitStack) -> Source:
    if is_pipe(rxfilename):
        if not pipes:
            raise AudioError(f"the pipe `{rxfilename}` is refused (--no-pipes)")
        return _of_pipe(rxfilename[:-1].strip(), stack)
    in_archive = re.fullmatch(r"(.+):(\d+)", rxfilename)
    if in_archive and trouble_with(Path(rxfilename)) and not trouble_with(Path(in_archive[1])):
        return _in_archive(Path(in_archive[1]), int(in_archive[2]))
    return _of_file(Path(rxfilename))


def _of_pipe(command: str, stack: contextlib.ExitStack) -> Source:
    # Output goes to disk, not memory: readers must be able to seek, and recordings may be hours long.
    path = _temporary(stack)
    shell = ["bash", "-o", "pipefail", "-c", command]
    with path.open("wb") as out, group(shell, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE) as process:
        _, complaint = process.communicate()
    if process.returncode != 0:
        raise AudioError(
            f"the pipe `{command}` failed with status {process.returncode}{tail_of(complaint)}{_if_full(path)}"
        )
    if path.stat().st_size == 0:
        raise AudioError(f"the pipe `{command}` gave no output{tail_of(complaint)}")
    return Source(f"the output of `{command}`", path)


def _temporary(stack: contextlib.ExitStack) -> Path:
    """The path of an empty file, which goes with the stack."""
    with writing(name_of_place()):
        return Path(stack.enter_context(named_file()).name)


def _if_full(path: Path) -> str:
    """What to say of a program that could not write its output, where there is no room for it."""
    room = shutil.disk_usage(path.parent).free
    return f"; {room} bytes are free in {name_of_place()}" if room < _LITTLE_ROOM else ""


def _in_archive(path: Path, offset: int) -> Source:
    """The bytes of one wav inside a Kaldi archive, by the size its RIFF header states, or of one file inside a tar."""
    with path.open("rb") as file:
        file.seek(max(0, offset - _TAR_BLOCK))
        before = file.read(min(offset, _TAR_BLOCK))
        head = file.read(8)
        if before[_TAR_MAGIC] == b"ustar":
            return Source(f"{path}:{offset}", head + file.read(_size_in_tar(before, f"{path}:{offset}") - len(head)))
        if len(head) < 8 or head[:4] != b"RIFF":
            raise AudioError(f"{path}:{offset}: no wav at this place of the archive, and no file of a tar")
        return Source(f"{path}:{offset}", head + file.read(struct.unpack("<I", head[4:])[0]))


def _size_in_tar(header: bytes, name: str) -> int:
    """The size of a file in a tar by its header, the block before it."""
    try:
        size = tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape").size
    except tarfile.HeaderError as error:
        raise AudioError(f"{name}: the tar is damaged here ({error})") from error
    if size < _TAR_SMALLEST:
        raise AudioError(f"{name}: a file of {size} bytes")
    return size


def _copied(file: BinaryIO, stack: contextlib.ExitStack) -> Path:
    path = _temporary(stack)
    with writing(name_of_place()), path.open("wb") as out:
        shutil.copyfileobj(file, out)
    return path


def _cut_short(source: Source, allowed: bool) -> str:
    """The warning about a truncated file; empty where it is complete.

    Raises:
        AudioError: it is truncated, and that is not allowed.
    """
    try:
        with source.opened() as file:
            missing = examined(file)
    except ValueError as error:
        raise AudioError(f"{source.name}: {error}") from error
    if not missing:
        return ""
    complaint = f"{source.name}: cut short, {missing} of the bytes that its header promises are not there"
    if not allowed:
        raise AudioError(f"{complaint} (--allow-truncated takes what is there)")
    return complaint


def tail_of(stderr: bytes) -> str:
    """The end of a program's error output on one line, to be put after a message."""
    text = " ".join(stderr.decode(errors="replace").split())
    return f": {text[-_STDERR_TAIL:]}" if text else ""
