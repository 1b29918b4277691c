"""Texts to work on: a Kaldi `text`, a plain file of a text a line, or standard input."""

import hashlib
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firered.data.datadir import BadLines
from firered.data.utterance import make_id
from firered.errors import DataError, Problem

STDIN = "-"


@dataclass
class Texts:
    """Texts by id, and the lines that hold none; `digest` is of the whole input."""

    by_id: dict[str, str]
    kaldi: bool
    digest: str
    problems: list[Problem] = field(default_factory=list)


def read_texts(source: str, kind: str = "auto") -> Texts:
    """The texts of a file, or of standard input where `source` is `-`.

    A Kaldi text has an id before each text. A plain one gets ids of the file's name and the line's number, such as
    `notes-0000001`, so that they sort as the lines stand; its empty lines are empty texts. `auto` takes a file named
    `text` for a Kaldi text. Windows line ends and a byte-order mark are accepted in both.

    Raises:
        DataError: it cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    kaldi = kind == "kaldi" or (kind == "auto" and Path(source).name == "text")
    found = Texts({}, kaldi, hashlib.sha256(data).hexdigest())
    bad = BadLines(Path("stdin" if source == STDIN else source), found.problems)
    lines = data.removeprefix(BOM_UTF8).removesuffix(b"\n").split(b"\n") if data else []
    for key, text in _kaldi(lines, bad) if kaldi else _plain(lines, bad):
        found.by_id[key] = text
    return found


def _plain(lines: list[bytes], bad: BadLines) -> Iterator[tuple[str, str]]:
    stem = make_id(bad.path.stem)
    for number, line in enumerate(lines, 1):
        text = _decoded(line, number, bad)
        if text is not None:
            yield f"{stem}-{number:07d}", text


def _kaldi(lines: list[bytes], bad: BadLines) -> Iterator[tuple[str, str]]:
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        raw_key, raw_text = (*line.split(maxsplit=1), b"", b"")[:2]  # of bytes: at ASCII's white space only
        key = _decoded(raw_key, number, bad)
        text = None if key is None else _decoded(raw_text, number, bad, key)
        if key is None or text is None:
            continue
        if not key:
            bad.add(number, "empty line")
        elif key.split() != [key]:
            bad.add(number, f"id {key!r} holds white space that is neither blank nor tab")
        elif key in first_line:
            bad.add(number, f"id {key} is already on line {first_line[key]}", key)
        else:
            first_line[key] = number
            yield key, text


def _decoded(raw: bytes, number: int, bad: BadLines, key: str = "") -> str | None:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError as error:
        bad.add(number, f"not UTF-8: {error.reason}", key)
        return None
