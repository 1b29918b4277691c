"""Lines of text files: UTF-8 and nothing else; what is wrong with one is said of that line."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE
from collections.abc import Iterator
from pathlib import Path

from firered.data.files import reason_of
from firered.errors import DataError

_WIDE = {BOM_UTF16_LE: "UTF-16", BOM_UTF16_BE: "UTF-16", BOM_UTF32_BE: "UTF-32"}  # UTF-32-LE begins as UTF-16-LE


def bytes_of(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {reason_of(error)}") from error


def numbered(data: bytes) -> Iterator[tuple[int, str, str]]:
    """(number, text, fault) of each line, without line end; a line whose fault is not empty is not to be used.

    A byte-order mark of UTF-8 is left out. Of a file in UTF-16 there is one line, which says so.
    """
    for mark, encoding in _WIDE.items():
        if data.startswith(mark):
            yield (
                1,
                "",
                f"{encoding}, not UTF-8 (of a redirection in PowerShell?); iconv -f {encoding} -t UTF-8 mends it",
            )
            return
    data = data.removeprefix(BOM_UTF8)
    if not data:
        return
    data = data.removesuffix(b"\n")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        yield from _one_by_one(data)
        return
    faulty = "\0" in whole
    for number, text in enumerate(whole.split("\n"), start=1):
        yield number, text, "holds a NUL character" if faulty and "\0" in text else ""


def _one_by_one(data: bytes) -> Iterator[tuple[int, str, str]]:
    """The lines of a file of which some are not UTF-8."""
    for number, raw in enumerate(data.split(b"\n"), start=1):
        try:
            text = raw.decode()
            yield number, text, "holds a NUL character" if "\0" in text else ""
        except UnicodeDecodeError as error:
            yield number, raw.decode(errors="replace"), f"not UTF-8: {error.reason} at byte {error.start + 1}"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The numbered lines of a text file, without line ends.

    Raises:
        DataError: it cannot be read, or a line is not UTF-8 or holds NUL; the message names the line.
    """
    lines = []
    for number, text, fault in numbered(bytes_of(path)):
        if fault:
            raise DataError(f"{path}:{number}: {fault}")
        lines.append((number, text.removesuffix("\r")))
    return lines
