"""Punctuation against a reference, mark by mark: the protocol of the FireRedASR2S report, section 7.4.

Every token is followed by a mark or by none. Where the words of the two sides differ they are aligned first; a mark at
a token that the other side does not have is then missed, or a false one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from firered.data.lines import read_lines
from firered.errors import DataError
from firered.scoring.config import PuncScoreConfig, SampleConfig
from firered.scoring.inputs.pair import Side, missing_and_extra
from firered.scoring.metrics.alignment import Hunk, align
from firered.scoring.metrics.bootstrap import Interval, interval
from firered.scoring.metrics.error_rate import percent
from firered.scoring.resources import text_of
from firered.text.invisible import visible
from firered.text.units import CHARACTER

CLASSES = ("comma", "period", "question", "exclamation")
OVERALL = CLASSES[:3]  # exclamation marks are too rare for the papers' overall score
RATES = ("precision%", "recall%", "F1%")
COUNTED = ("hits", "false", "missed")

# A character; a word with its apostrophes and hyphens, a number with its points; or anything else, perhaps a mark.
_TOKEN = re.compile(
    rf"(?P<token>{CHARACTER.pattern}|(?:(?!{CHARACTER.pattern})[^\W_]|(?<=\w)['’-](?=\w)|(?<=\d)[.,](?=\d))+)|(?P<other>\S)"
)


@dataclass(frozen=True)
class MarkCounts:
    """Marks of one class: found where they are, put where they are not, not found."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: "MarkCounts") -> "MarkCounts":
        return MarkCounts(self.hits + other.hits, self.false + other.false, self.missed + other.missed)

    @property
    def rates(self) -> tuple[float | None, ...]:
        """Precision, recall and F1 in percent."""
        precision, recall = percent(self.hits, self.hits + self.false), percent(self.hits, self.hits + self.missed)
        return precision, recall, percent(2 * self.hits, 2 * self.hits + self.false + self.missed)


@dataclass(frozen=True)
class PuncScore:
    """Counts of each class over all utterances; `differing` are those whose words are not the reference's.

    `counts` are those of each utterance over all marks but exclamation marks, as `COUNTED` names them.
    """

    classes: dict[str, MarkCounts]
    intervals: dict[str, Interval | None]
    utterances: int
    differing: list[str]
    missing: list[str]
    extra: list[str]
    counts: dict[str, list[int]]

    @property
    def overall(self) -> MarkCounts:
        """All marks but exclamation marks, each of the same weight."""
        return sum((self.classes[name] for name in OVERALL), MarkCounts())


def score_punc(reference: Side, hypothesis: Side, config: PuncScoreConfig, sample: SampleConfig) -> PuncScore:
    """The score of punctuated texts; an utterance without a hypothesis has no marks.

    Raises:
        DataError: the table of marks cannot be read.
    """
    classes = _marks(config)
    keys = sorted(reference.table)
    reference_sides = [tokens_and_marks(reference.table[key], classes) for key in keys]
    hypothesis_sides = [tokens_and_marks(hypothesis.table.get(key, ""), classes) for key in keys]
    hunks = align([tokens for tokens, _ in reference_sides], [tokens for tokens, _ in hypothesis_sides])
    rows: list[list[int]] = []
    sums: Counter[tuple[str, str]] = Counter()
    for (_, reference_marks), (_, hypothesis_marks), errors in zip(
        reference_sides, hypothesis_sides, hunks, strict=True
    ):
        counts = Counter(_compared(reference_marks, hypothesis_marks, errors))
        sums.update(counts)
        rows.append([sum(counts[name, field] for name in OVERALL) for field in COUNTED])
    counted = {name: MarkCounts(*(sums[name, field] for field in COUNTED)) for name in CLASSES}
    intervals = {
        name: interval(np.array(rows), partial(rate_of_marks, place), sample) for place, name in enumerate(RATES)
    }
    missing, extra = missing_and_extra(reference, hypothesis)
    differing = [key for key, errors in zip(keys, hunks, strict=True) if errors and key in hypothesis.table]
    return PuncScore(counted, intervals, len(keys), differing, missing, extra, dict(zip(keys, rows, strict=True)))


def _marks(config: PuncScoreConfig) -> dict[str, str]:
    """The class of each mark."""
    own = enumerate(text_of("punctuation_marks.tsv").splitlines(), 1)
    classes = {}
    for number, line in read_lines(Path(config.marks)) if config.marks else own:
        if line and not line.startswith("#"):
            mark, _, name = line.partition("\t")
            if len(mark) != 1 or name not in CLASSES:
                raise DataError(f"{config.marks}:{number}: not `mark<TAB>{'|'.join(CLASSES)}`: {line!r}")
            classes[mark] = name
    return classes


def tokens_and_marks(text: str, classes: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Tokens in lower case, and the class of the mark after each ("" for none); the first mark is before all tokens.

    What is not seen of a text is no part of its tokens. Of several marks in a row the first that has a class counts.
    """
    tokens: list[str] = []
    marks = [""]
    for found in _TOKEN.finditer(visible(text)):
        if found["token"]:
            tokens.append(found["token"].lower())
            marks.append("")
        else:
            marks[-1] = marks[-1] or classes.get(found["other"], "")
    return tokens, marks


def _compared(reference: list[str], hypothesis: list[str], errors: Sequence[Hunk]) -> Iterator[tuple[str, str]]:
    """(class, hits | false | missed) of every mark on either side."""
    for mark, found in zip(*_side_by_side(reference, hypothesis, errors), strict=True):
        if mark == found:
            if mark:
                yield mark, "hits"
            continue
        if found:
            yield found, "false"
        if mark:
            yield mark, "missed"


def _side_by_side(reference: list[str], hypothesis: list[str], errors: Sequence[Hunk]) -> tuple[list[str], list[str]]:
    """The marks of both sides in equal number, with none at tokens that only the other side has."""
    reference, hypothesis = list(reference), list(hypothesis)
    for start, end, hyp_start, hyp_end in reversed(errors):
        if end == start:
            reference[start + 1 : start + 1] = [""] * (hyp_end - hyp_start)
        elif hyp_end == hyp_start:
            hypothesis[hyp_start + 1 : hyp_start + 1] = [""] * (end - start)
    return reference, hypothesis


def rate_of_marks(place: int, sums: np.ndarray) -> np.ndarray:
    """The rate of that place in `RATES` of (samples, 3) counts."""
    hits, false, missed = sums.T
    rates = 100 * hits / (hits + false), 100 * hits / (hits + missed), 200 * hits / (2 * hits + false + missed)
    return rates[place]
