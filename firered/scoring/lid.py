"""Language labels against what a recogniser of languages found, utterance by utterance."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firered.data.lines import read_lines
from firered.errors import DataError
from firered.lid.labels import CHINESE
from firered.scoring.config import LidScoreConfig, SampleConfig
from firered.scoring.inputs.pair import Side, confidences, missing_and_extra
from firered.scoring.metrics.bootstrap import Interval, interval, ratio
from firered.scoring.metrics.calibration import Calibration, calibrate
from firered.scoring.metrics.error_rate import percent
from firered.text.invisible import visible

MISSING, NONE = "(missing)", "(none)"  # no line in the hypothesis; a line without a label, as an untrained model writes
COLUMNS = ("utterances", "correct", "recall%", "precision%", "F1%")


class LanguageRow(NamedTuple):
    """A label of the reference and what `COLUMNS` names; rates in percent, None where they have no value."""

    label: str
    utterances: int
    correct: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class Levels:
    """Languages and their dialects apart, of references that have both: (counted, of so many) utterances.

    Attributes:
        language: those whose language is right, of all.
        dialect: those whose dialect is right, of those that have one and whose language is right.
        elsewhere: those that were given a dialect, of those found to be in a language that has none.
    """

    language: tuple[int, int]
    dialect: tuple[int, int]
    elsewhere: tuple[int, int]

    @property
    def rates(self) -> dict[str, float | None]:
        """In percent, by the names that score.json has for them."""
        return {
            "language accuracy%": percent(*self.language),
            "dialect accuracy%": percent(*self.dialect),
            "dialect elsewhere%": percent(*self.elsewhere),
        }


@dataclass(frozen=True)
class LidScore:
    """How often each label was taken for which, `pairs` of (reference, hypothesis); `right` is of each utterance."""

    pairs: Counter[tuple[str, str]]
    interval: Interval | None
    calibration: Calibration | None
    missing: list[str]
    extra: list[str]
    right: dict[str, bool]

    @property
    def utterances(self) -> int:
        """All utterances of the reference."""
        return self.pairs.total()

    @property
    def correct(self) -> int:
        """Utterances whose label is right."""
        return sum(times for (reference, hypothesis), times in self.pairs.items() if reference == hypothesis)

    @property
    def levels(self) -> Levels | None:
        """Languages and dialects apart; None where no label of the reference has a dialect."""
        counted = [(*_parted(reference), *_parted(found), times) for (reference, found), times in self.pairs.items()]
        with_dialects = {language for language, dialect, *_ in counted if dialect}
        if not with_dialects:
            return None
        with_dialects |= {CHINESE, MISSING, NONE}
        rows = np.array(
            [
                (
                    times,
                    times * (language == own),
                    times * (language == own and bool(dialect)),
                    times * (language == own and bool(dialect) and dialect == other),
                    times * (own not in with_dialects),
                    times * (own not in with_dialects and bool(other)),
                )
                for language, dialect, own, other, times in counted
            ]
        )
        every, right, given, right_dialect, elsewhere, stray = map(int, rows.sum(0))
        return Levels((right, every), (right_dialect, given), (stray, elsewhere))

    def languages(self) -> Iterator[LanguageRow]:
        """A row for each label of the reference, in order of the labels."""
        references: Counter[str] = Counter()
        hypotheses: Counter[str] = Counter()
        for (reference, hypothesis), times in self.pairs.items():
            references[reference] += times
            hypotheses[hypothesis] += times
        for label in sorted(references):
            correct = self.pairs[label, label]
            yield LanguageRow(
                label,
                references[label],
                correct,
                recall=percent(correct, references[label]),
                precision=percent(correct, hypotheses[label]),
                f1=percent(2 * correct, references[label] + hypotheses[label]),
            )

    def matrix(self) -> tuple[list[str], list[str], np.ndarray]:
        """Labels of the reference, of the hypothesis (the reference's first), and (rows, columns) counts."""
        rows = sorted({reference for reference, _ in self.pairs})
        others = sorted({hypothesis for _, hypothesis in self.pairs} - set(rows))
        counts = np.array([[self.pairs[row, column] for column in (*rows, *others)] for row in rows])
        return rows, [*rows, *others], counts


def score_lid(reference: Side, hypothesis: Side, config: LidScoreConfig, sample: SampleConfig) -> LidScore:
    """The accuracy of labels; an utterance without a hypothesis is wrong.

    Raises:
        DataError: the map of labels cannot be read.
    """
    renamed = _lang_map(Path(config.lang_map)) if config.lang_map else {}
    labels = {key: _at_level(renamed.get(label, label), config.level) for key, label in reference.table.items()}
    found = {key: _at_level(label, config.level) for key, label in hypothesis.table.items()}
    right = {key: label == found.get(key) for key, label in labels.items()}
    rows = np.array([(int(correct), 1) for correct in right.values()], np.int64)
    probabilities = confidences(hypothesis.data, "utt2lang_conf")
    known = [key for key in labels if key in probabilities and key in found]
    calibration = calibrate(
        np.array([probabilities[key] for key in known], float),
        np.array([right[key] for key in known], float),
        np.ones(len(known)),
    )
    pairs = Counter((label, found.get(key, MISSING)) for key, label in labels.items())
    missing, extra = missing_and_extra(reference, hypothesis)
    return LidScore(pairs, interval(rows, ratio, sample), calibration, missing, extra, right)


def _at_level(label: str, level: str) -> str:
    """`zh` or `zh-yue`, whether it is written so or, as the model has it, `zh yue`."""
    parts = visible(label).replace("-", " ").split() or [NONE]
    return parts[0] if level == "language" else "-".join(parts)


def _parted(label: str) -> tuple[str, str]:
    """Language and dialect of a label; the latter may be empty."""
    language, _, dialect = label.partition("-")
    return language, dialect


def _lang_map(path: Path) -> dict[str, str]:
    pairs = {}
    for number, line in read_lines(path):
        if line.strip() and not line.startswith("#"):
            fields = [field.strip() for field in line.split("\t")]
            if len(fields) != 2 or not all(fields):
                raise DataError(f"{path}:{number}: not `label<TAB>label`: {line!r}")
            pairs[fields[0]] = fields[1]
    return pairs
