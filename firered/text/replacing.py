"""Correction of finished text: literal replacements, and words of a list that are put where a text sounds like them.

The rules are those of the published `postprocess_hotwords`, but for two. Letters, digits and marks, which have no
pinyin, have to be those of the target (there they are left out of the comparison, so that a Latin target replaces any
Latin words, and a mark beside a word goes with it). What is a target already stays, and so does what overlaps it (there
the character before it may be eaten: 去北京 sounds much like 北京).
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.errors import OptionError
from firered.text.units import HAN

THRESHOLD = 0.85
_ARROW = re.compile("=>|->|→")
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Match:
    """A stretch [start, end) of a text, in characters, what it is replaced by, and how sure that is, at most 1."""

    start: int
    end: int
    original: str
    replacement: str
    score: float


class Replacer:
    """What is to be corrected in texts.

    Args:
        pairs: what is replaced literally, and by what.
        targets: words that replace what sounds like them; only those with Chinese characters can be found so.
        threshold: the least similarity, at most 1.

    Raises:
        ModuleNotFoundError: there are such targets, and pypinyin is not installed.
    """

    def __init__(self, pairs: Mapping[str, str], targets: Iterable[str] = (), threshold: float = THRESHOLD) -> None:
        self._pairs = sorted(pairs.items(), key=lambda pair: -len(pair[0]))  # stable: then as they were given
        self._threshold = threshold
        self.targets = tuple(dict.fromkeys(targets))
        self._heard = [target for target in self.targets if HAN.search(target) and _sound(target)]
        lengths = [len(target) for target in self._heard]
        self._widths = range(max(1, min(lengths) - 1), max(lengths) + 2) if lengths else range(0)
        # By the width of a window and what in it has no pinyin: the targets that may take its place, and their pinyin.
        self._near: dict[tuple[int, str], tuple[list[str], list[str]]] = {}
        for target in self._heard:
            for width in range(max(1, len(target) - 1), len(target) + 2):
                texts, sounds = self._near.setdefault((width, _without_pinyin(target)), ([], []))
                texts.append(target)
                sounds.append(_sound(target))

    @classmethod
    def of(cls, given: str | Iterable[str] | Mapping[str, str], threshold: float = THRESHOLD) -> "Replacer":
        """The corrections of a text of lines, of a list of them, or of a mapping from what is wrong to what is right.

        In a mapping a key that is empty, or its own value, stands for a target; an empty value for nothing.

        Raises:
            OptionError: one of the lines is none; it is named by its number.
        """
        if isinstance(given, Mapping):
            parsed = [(wrong.strip(), right.strip()) for wrong, right in given.items()]
            return cls._of_pairs(enumerate(parsed, 1), "replace", threshold)
        lines = given.splitlines() if isinstance(given, str) else list(given)
        return cls._of_pairs(_parsed(lines, "replace"), "replace", threshold)

    @classmethod
    def from_file(cls, path: Path, threshold: float = THRESHOLD) -> "Replacer":
        """The corrections of a file: a line `wrong=>right` (also `->` or `→`), or a word to be found by its sound.

        Empty lines are passed over.

        Raises:
            OptionError: the file cannot be read, or a line is no correction; file and line are named.
        """
        try:
            raw = path.read_bytes()
            lines = raw.decode("utf-8-sig").splitlines()
        except OSError as error:
            raise OptionError(f"replace: {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            number = raw[: error.start].count(b"\n") + 1
            raise OptionError(f"replace: {path}:{number}: not UTF-8") from error
        return cls._of_pairs(_parsed(lines, str(path)), str(path), threshold)

    @classmethod
    def _of_pairs(cls, given: Iterable[tuple[int, tuple[str, str]]], source: str, threshold: float) -> "Replacer":
        """The corrections of numbered pairs (wrong, right): a target where nothing is wrong, or nothing changes."""
        pairs: dict[str, str] = {}
        targets: list[str] = []
        for number, (wrong, right) in given:
            if not right:
                continue
            if wrong in ("", right):
                targets.append(right)
            elif pairs.setdefault(wrong, right) != right:
                raise OptionError(
                    f"replace: {source}:{number}: {wrong!r} becomes {right!r} here and {pairs[wrong]!r} in an earlier "
                    "line; keep one of them"
                )
        return cls(pairs, targets, threshold)

    @property
    def unheard(self) -> tuple[str, ...]:
        """The targets without a Chinese character, which have no pinyin and so replace nothing."""
        return tuple(target for target in self.targets if target not in self._heard)

    def matches(self, text: str) -> list[Match]:
        """What is replaced in a text, in order and without overlaps."""
        taken = bytearray(len(text))
        found = [match for pair in self._pairs for match in _literal(text, *pair, taken)]
        for target in self.targets:
            _keep(text, target, taken)
        candidates = sorted(self._candidates(text, taken), key=lambda match: (-match.score, match.start - match.end))
        for match in candidates:
            if not any(taken[match.start : match.end]):
                taken[match.start : match.end] = b"x" * (match.end - match.start)
                found.append(match)
        return sorted(found, key=lambda match: match.start)

    def _candidates(self, text: str, taken: bytearray) -> Iterator[Match]:
        """Each window of what is not taken that sounds like a target, with the one that it sounds most like."""
        from rapidfuzz import fuzz, process

        least = 100 * self._threshold - _ROUNDING
        for width in self._widths:
            for start in range(len(text) - width + 1):
                window = text[start : start + width]
                texts, sounds = self._near.get((width, _without_pinyin(window)), ((), ()))
                if not texts or any(taken[start : start + width]) or window != window.strip():
                    continue
                if HAN.search(window) and (sound := _sound(window)):
                    best = process.extractOne(sound, sounds, scorer=fuzz.ratio, score_cutoff=least)
                    if best is not None and best[1] / 100 >= self._threshold:
                        yield Match(start, start + width, window, texts[best[2]], best[1] / 100)


def replaced(text: str, matches: Sequence[Match]) -> str:
    """The text with all that was found replaced."""
    parts, at = [], 0
    for match in matches:
        parts += [text[at : match.start], match.replacement]
        at = match.end
    return "".join([*parts, text[at:]])


def _parsed(lines: Iterable[str], source: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Each line's number and its two sides; the left one is empty where it is a target."""
    for number, line in enumerate(lines, 1):
        if any(ord(char) < 32 and char != "\t" for char in line):
            raise OptionError(f"replace: {source}:{number}: holds control characters; is this a text file?")
        sides = [side.strip() for side in _ARROW.split(line)]
        if len(sides) > 2:
            raise OptionError(f"replace: {source}:{number}: {line.strip()!r} has several arrows; give one pair a line")
        if len(sides) == 2 and not sides[1]:
            raise OptionError(f"replace: {source}:{number}: {line.strip()!r} has nothing to the right of the arrow")
        yield number, ("", sides[0]) if len(sides) == 1 else (sides[0], sides[1])


def _literal(text: str, wrong: str, right: str, taken: bytearray) -> Iterator[Match]:
    """The places of a text that are replaced as they stand, from left to right, where nothing longer is."""
    at = text.find(wrong)
    while at >= 0:
        end = at + len(wrong)
        free = not any(taken[at:end])
        if free:
            taken[at:end] = b"x" * len(wrong)
            yield Match(at, end, wrong, right, 1.0)
        at = text.find(wrong, end if free else at + 1)


def _keep(text: str, target: str, taken: bytearray) -> None:
    """Have what is a target already stay."""
    at = text.find(target)
    while at >= 0:
        taken[at : at + len(target)] = b"x" * len(target)
        at = text.find(target, at + 1)


def _without_pinyin(text: str) -> str:
    """What of a text has no pinyin, white space left out, in lower case."""
    return "".join(HAN.sub("", text).lower().split())


@functools.lru_cache(maxsize=1 << 16)
def _sound(text: str) -> str:
    """The pinyin of the Chinese characters of a text, without tones and spaces."""
    from pypinyin import Style, lazy_pinyin

    return "".join(lazy_pinyin(text, style=Style.NORMAL, errors="ignore")).lower()
