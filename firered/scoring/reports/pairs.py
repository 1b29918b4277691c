"""Two systems on the same utterances: the difference of their rates, by a paired bootstrap over the counts of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from firered.data.lines import read_lines
from firered.errors import DataError
from firered.scoring.config import SampleConfig
from firered.scoring.metrics.bootstrap import Difference, Statistic, paired_difference, ratio
from firered.scoring.metrics.frames import FrameCounts, resampled_rate
from firered.scoring.published import ERROR_RATES
from firered.scoring.punc import RATES, rate_of_marks
from firered.scoring.reports.report import COUNTS
from firered.scoring.reports.results import Result

# The columns of each task's counts whose sums are of the reference alone, so that they have to agree.
_REFERENCE = {"asr": ((1,),), "lid": ((1,),), "vad": ((0, 2), (1, 3)), "punc": ((0, 2),)}
# The columns of figures of texts, by name: what they are made of, the second of the reference alone.
_ERRORS = ("errors", "tokens")
_BIASED = {"B": ("biased_errors", "biased_tokens"), "U": ("unbiased_errors", "unbiased_tokens")}
_OF_HOTWORDS = ("hotwords_right", "hotwords_reference", "hotwords_hypothesis")
_HOTWORDS: dict[str, Statistic] = {
    "hotword recall%": ratio,
    "hotword precision%": lambda sums: 100 * sums[:, 0] / sums[:, 2],
    "hotword F1%": lambda sums: 200 * sums[:, 0] / (sums[:, 1] + sums[:, 2]),
}


@dataclass(frozen=True)
class Pair:
    """Two figures of the same row; their difference (first minus second), or why there is none."""

    first: Result
    second: Result
    difference: Difference | None
    reason: str = ""


def pairs_of(results: Sequence[Result], baseline: str | None, config: SampleConfig) -> Iterator[Pair]:
    """Every two systems of each row, or each against the baseline; averages, which have no utterances, are left out.

    Args:
        results: in the order of the rows.
        baseline: of the pairs that are wanted; none: all.
        config: number of resamplings and seed.

    Raises:
        DataError: the counts beside a score cannot be read.
    """
    rows: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if result.folder is not None and result.value is not None:
            rows.setdefault(result.row, []).append(result)
    read: dict[Path, Counted | None] = {}
    for of_row in rows.values():
        for place, second in enumerate(of_row):
            for first in of_row[place + 1 :] if baseline is None else of_row:
                if baseline is None or (second.system == baseline and first is not second):
                    yield _pair(first, second, read, config)


@dataclass(frozen=True)
class Counted:
    """What is counted of each utterance: ids in order, and (utterances, K) counts."""

    ids: list[str]
    counts: np.ndarray
    names: tuple[str, ...] = ()

    def of(self, names: Sequence[str]) -> "Counted | None":
        """With the columns of these names alone, in their order; None where one of them is not there."""
        if not set(names) <= set(self.names):
            return None
        return Counted(self.ids, self.counts[:, [self.names.index(name) for name in names]], tuple(names))

    @classmethod
    def read(cls, folder: Path) -> "Counted | None":
        """The counts beside a score; None where there are none."""
        file = folder / COUNTS
        if not file.is_file():
            return None
        ids, rows = [], []
        names: tuple[str, ...] = ()
        try:
            for number, line in read_lines(file):
                key, *cells = line.split("\t")
                if number == 1:
                    names = tuple(cells)
                else:
                    ids.append(key)
                    rows.append([int(cell) for cell in cells])
            return cls(ids, np.array(rows, np.int64).reshape(len(rows), -1), names)
        except ValueError as error:
            raise DataError(f"{file}: not the counts that firered-score writes ({error})") from None


def _pair(first: Result, second: Result, read: dict[Path, Counted | None], config: SampleConfig) -> Pair:
    for result in (first, second):
        if result.folder is not None and result.folder not in read:
            read[result.folder] = Counted.read(result.folder)
    sides = [read[result.folder] if result.folder else None for result in (first, second)]
    statistic = _statistic(first)
    if statistic is None:
        return Pair(first, second, None, f"{first.metric.removesuffix('%')} is not made of counts of utterances")
    if columns := _columns(first):
        sides = [side and side.of(columns) for side in sides]
    for result, side in zip((first, second), sides, strict=True):
        if side is None:
            return Pair(first, second, None, f"no {COUNTS} beside the score of {result.system}; score it again")
    if reason := _unlike(first, *filter(None, sides)):
        return Pair(first, second, None, reason)
    own, other = (side.counts for side in sides if side is not None)
    difference = paired_difference(own, other, statistic, config)
    return Pair(first, second, difference, "" if difference else "too few utterances, or --bootstrap 0")


def _unlike(result: Result, first: Counted, second: Counted) -> str:
    """Why the counts of two systems are not of the same utterances and references; empty where they are."""
    if first.ids != second.ids:
        different = len(set(first.ids) ^ set(second.ids))
        return f"not the same utterances: {different} are in one of the two only"
    if first.counts.shape != second.counts.shape:
        return "not the same counts"
    for columns in _REFERENCE[_task(result)]:
        ours, theirs = (side.counts[:, list(columns)].sum(axis=1) for side in (first, second))
        if different := int(np.count_nonzero(ours != theirs)):
            return f"not the same references: {different} utterances differ"
    return ""


def _task(result: Result) -> str:
    return str((result.source or {}).get("task", ""))


def _columns(result: Result) -> Sequence[str] | None:
    """The counts that a figure of recognised text is made of, by their names; None of others, which take them all."""
    if _task(result) != "asr":
        return None
    if result.metric in ERROR_RATES:
        return _ERRORS
    if result.metric in _HOTWORDS:
        return _OF_HOTWORDS
    kind, _, rate = result.metric.partition("-")
    return _BIASED.get(kind) if rate in ERROR_RATES else None


def _statistic(result: Result) -> Statistic | None:
    """The metric of summed counts; None where it is not made of any."""
    task, metric = _task(result), result.metric
    if metric in _HOTWORDS:
        return _HOTWORDS[metric]
    if _columns(result) or (task == "lid" and metric == "accuracy%"):
        return ratio
    if task == "punc" and metric in RATES:
        return partial(rate_of_marks, RATES.index(metric))
    if task == "vad" and metric in FrameCounts().rates:
        return partial(resampled_rate, metric)
    return None
