"""Texts to work on: a Kaldi `text`, a plain file of a text a line, or standard input."""

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firered.data.datadir import BadLines
from firered.data.files import BLANKS, reason_of
from firered.data.lines import numbered
from firered.data.utterance import make_id
from firered.errors import DataError, Problem

STDIN = "-"
_BLANK_RUN = re.compile(f"[{BLANKS}]+")


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
    except (OSError, ValueError) as error:
        raise DataError(f"{source}: cannot be read: {reason_of(error)}") from error
    kaldi = kind == "kaldi" or (kind == "auto" and Path(source).name == "text")
    found = Texts({}, kaldi, hashlib.sha256(data).hexdigest())
    bad = BadLines(Path("stdin" if source == STDIN else source), found.problems)
    for key, text in _kaldi(data, bad) if kaldi else _plain(data, bad):
        found.by_id[key] = text
    return found


def _plain(data: bytes, bad: BadLines) -> Iterator[tuple[str, str]]:
    stem = make_id(bad.path.stem)
    for number, line, fault in numbered(data):
        if fault:
            bad.add(number, fault)
        else:
            yield f"{stem}-{number:07d}", line.strip()


def _kaldi(data: bytes, bad: BadLines) -> Iterator[tuple[str, str]]:
    first_line: dict[str, int] = {}
    for number, line, fault in numbered(data):
        key, text = (*_BLANK_RUN.split(line.strip(BLANKS), maxsplit=1), "", "")[:2]
        text = text.strip()
        if fault:
            bad.add(number, fault, "" if {"\ufffd", "\0"} & set(key) else key)
        elif not key:
            bad.add(number, "empty line")
        elif key.split() != [key]:
            bad.add(number, f"id {key!r} holds white space that is neither blank nor tab")
        elif key in first_line:
            bad.add(number, f"id {key} is already on line {first_line[key]}", key)
        else:
            first_line[key] = number
            yield key, text
