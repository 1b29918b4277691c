"""Files of model directories as bytes: a folder, a pipe, a device or a pointer in a file's place is named, not read."""

import json
import re
import stat
from pathlib import Path
from typing import Any

from firered.errors import ModelError

_LFS = b"version https://git-lfs"
_LFS_SIZE = re.compile(rb"(?m)^size ([0-9]{1,18})$")
_HEAD = 1024  # bytes; no pointer is longer
_LARGEST_JSON = 64 << 20
FETCH = "fetch it again"  # what to do about a damaged file, unless it was made here
_SHOWN = 40  # characters of a text that stands where none belongs


def check_file(path: Path, *, may_be_empty: bool = False, remedy: str = FETCH) -> bytes:
    """The first bytes of a regular file.

    Raises:
        ModelError: it is not there, cannot be read, is no file, has nothing in it, or is a pointer of Git LFS.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ModelError(f"{path}: not a file but {_kind(mode)}; put the model's own file there")
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ModelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if head.startswith(_LFS):
        size = _LFS_SIZE.search(head)
        wanted = f" of {int(size[1])} bytes" if size else ""
        raise ModelError(
            f"{path}: a pointer of Git LFS, not the file itself{wanted}; run `git lfs pull` there, or fetch it again"
        )
    if not head and not may_be_empty:
        raise ModelError(f"{path}: empty; {remedy}")
    return head[:64]


def read_file(path: Path, limit: int) -> bytes:
    """All bytes of a regular file of at most `limit` bytes.

    Raises:
        ModelError: see `check_file`; or it is larger.
    """
    check_file(path, may_be_empty=True)
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelError(f"{path}: {size} bytes, more than such a file ever has ({limit}); it is another file")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path) -> dict[str, Any]:
    """The values of a file that is a JSON object, such as a config.json.

    Raises:
        ModelError: it is missing, or no such file.
    """
    raw = read_file(path, _LARGEST_JSON)
    try:
        values = json.loads(raw)
    except RecursionError:
        raise ModelError(f"{path}: not readable as JSON: nested too deeply") from None
    except ValueError as error:  # bytes that are not UTF-8 among them
        raise ModelError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path}: not a JSON object")
    return values


def as_text(head: bytes) -> str | None:
    """The beginning of a file, to be shown, where that is text; None where it is not."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    if not all(character.isprintable() or character in "\t\r\n" for character in text):
        return None
    return " ".join(text.split())[:_SHOWN]


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none: torch's run over many lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
