"""Lists of hotwords from files: `read_list`."""

import logging
import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from firered.errors import DataError
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.sounds import pronounced

log = logging.getLogger(__name__)

Form: TypeAlias = Literal["tabs", "paraformer"]

_PARAFORMER_WEIGHT = 20.0  # what FunASR gives a hotword without a weight: 1 here
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f]")
_MOST_SHOWN = 10  # bad lines of a file
_SPACED_NUMBER = re.compile(r"(?P<text>.*\S) +(?P<number>[0-9]+(?:\.[0-9]+)?)")


class _BadLines:
    """What is wrong with the lines of a file, raised all together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[str] = []

    def add(self, number: int, reason: str) -> None:
        self.messages.append(f"{self.path}:{number}: {reason}")

    def finish(self) -> None:
        if self.messages:
            more = len(self.messages) - _MOST_SHOWN
            raise DataError("\n".join(self.messages[:_MOST_SHOWN] + ([f"... and {more} more"] if more > 0 else [])))


def read_list(path: Path, form: Form = "tabs") -> HotwordList:
    r"""The entries of a file, in UTF-8: a line a word or phrase, as it is to be written.

    With the form `tabs` a tab and a weight may follow (its bonus is multiplied by that), and a tab and how the phrase
    is said: syllables of pinyin with tones (`bei3 jing1`) or phonemes of ARPAbet in capitals (`T EH1 S L AH0`); the
    weight may be left out. With `paraformer` a space and a weight may follow, as in FunASR's lists, where 20 is usual:
    it becomes 1. Lines that begin with `#` are comments, `\#` begins a phrase with that. Of entries that come again
    the first one counts.

    Raises:
        DataError: the file cannot be read, or lines are wrong, each of which is named by its number.
        ModuleNotFoundError: a pronunciation is in pinyin, and pypinyin is not installed.
    """
    bad = _BadLines(path)
    phrases: dict[str, tuple[int, Phrase]] = {}
    again: list[tuple[int, str]] = []
    spaced: list[tuple[int, str]] = []
    for number, line in _lines(path, bad):
        if form == "tabs" and "\t" not in line and _SPACED_NUMBER.fullmatch(line):
            spaced.append((number, line))
        try:
            phrase = _parsed(line, form)
        except ValueError as error:
            bad.add(number, str(error))
            continue
        if phrases.setdefault(phrase.text, (number, phrase))[0] != number:
            again.append((number, phrase.text))
    bad.finish()
    _warn(path, again, spaced)
    return HotwordList(phrase for _, phrase in phrases.values())


def _lines(path: Path, bad: _BadLines) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file that hold something."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise DataError(f"{path}: UTF-16, not UTF-8; iconv -f UTF-16 -t UTF-8 mends it")
    for number, raw in enumerate(data.removeprefix(BOM_UTF8).split(b"\n"), 1):
        try:
            line = raw.decode().removesuffix("\r")
        except UnicodeDecodeError as error:
            bad.add(number, f"not UTF-8: {error.reason} at byte {error.start + 1}")
            continue
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _parsed(line: str, form: Form) -> Phrase:
    """The entry of a line; a ValueError says what is wrong with it."""
    if _CONTROL.search(line):
        raise ValueError("holds control characters; is this a text file?")
    text, *fields = (field.strip() for field in line.split("\t"))
    if form == "paraformer" and not fields and (found := _SPACED_NUMBER.fullmatch(text)):
        return Phrase(_plain(found["text"]), _weight(found["number"]) / _PARAFORMER_WEIGHT)
    if len(fields) > 2:
        raise ValueError(f"{len(fields) + 1} fields; a phrase, its weight and how it is said are three")
    if not text:
        raise ValueError("no phrase before the tab")
    if len(fields) == 1 and fields[0] and not _is_number(fields[0]):
        fields.insert(0, "")
    weight, said = (*fields, "", "")[:2]
    return Phrase(_plain(text), _weight(weight) if weight else 1.0, _said(said))


def _plain(text: str) -> str:
    return " ".join(text.removeprefix("\\").split() if text.startswith("\\#") else text.split())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _weight(text: str) -> float:
    weight = float(text) if _is_number(text) else math.nan
    if not 0 < weight < math.inf:
        raise ValueError(f"{text!r} is not a weight; it is a number above 0")
    return weight


def _said(text: str) -> tuple[str, ...]:
    tokens = tuple(text.split())
    unknown = pronounced(tokens)[1]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is neither a weight nor a syllable of pinyin, such as bei3, nor a phoneme of ARPAbet in "
            "capitals, such as EH1"
        )
    return tokens


def _warn(path: Path, again: list[tuple[int, str]], spaced: list[tuple[int, str]]) -> None:
    if again:
        log.warning(
            "%s: %d entries come again and are left out; the first is in line %d: %r", path, len(again), *again[0]
        )
    if spaced:
        log.warning(
            "%s: %d entries end in a space and a number, which is taken as a part of them; a weight stands behind a "
            "tab, or is read with the format paraformer; the first is in line %d: %r",
            path,
            len(spaced),
            *spaced[0],
        )
