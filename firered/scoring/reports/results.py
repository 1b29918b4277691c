"""Results as firered-table takes them: the figures of score.json files, and the papers' averages over them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from firered.errors import DataError
from firered.scoring.published import averages, kind_of, names_of, published

DASH = "-"


@dataclass(frozen=True, eq=False)
class Result:
    """One figure of one score.json, or an average of several.

    `source` is what the whole file says, and `folder` where it lies; averages have neither.
    """

    system: str
    test_set: str
    metric: str
    normalizer: str
    value: float | None
    interval: Sequence[float] | None
    missing: str
    source: dict | None = None
    folder: Path | None = None

    @property
    def row(self) -> tuple[str, str, str]:
        """Test set, what is counted and rule: figures of several systems with the same ones stand side by side."""
        return self.test_set, kind_of(self.metric), self.normalizer

    @property
    def comparable(self) -> bool:
        """Whether it may stand beside published figures: not if its rule is only like the one it is named after."""
        return self.normalizer.partition("+")[0] != "speechio"

    @property
    def note(self) -> str:
        """Why no difference to published figures may be stated; empty where nothing is in the way."""
        drafts = (self.source or {}).get("drafts")
        return f"{self.test_set}: {drafts} of its labels are a detector's uncorrected drafts" if drafts else ""


def read_results(paths: Iterable[Path]) -> list[Result]:
    """The figures of score.json files; a folder stands for all that are in it.

    Raises:
        DataError: a file is no score, does not say which test set it is of, or two are of the same.
    """
    results: list[Result] = []
    seen: dict[tuple[str, ...], Path] = {}
    for file in _score_files(paths):
        for result in _results(file):
            key = (result.system, result.test_set, result.metric, result.normalizer)
            if key in seen:
                raise DataError(f"{file}: {' '.join(key)} is already in {seen[key]}")
            seen[key] = file
            results.append(result)
    return results


def _score_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
            continue
        found = sorted(path.rglob("score.json"))
        if not found:
            raise DataError(f"{path}: no score.json here; firered-score writes them")
        yield from found


def _results(file: Path) -> Iterator[Result]:
    try:
        score = json.loads(file.read_text(encoding="utf-8"))
        for metric, figure in score["metrics"].items():
            yield Result(
                score["system"] or DASH,
                score["test_set"] or file.parent.name,
                metric,
                score.get("normalizer", DASH),
                figure["value"],
                figure["interval"],
                f"{score['missing']} of {score['utterances'] + score['missing'] * score.get('missing_left_out', 0)}",
                score,
                file.parent,
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a score.json of firered-score ({type(error).__name__}: {error})") from None


def with_averages(results: Sequence[Result]) -> list[Result]:
    """The results and the papers' averages over them; an average of which sets are missing has no value.

    Such an average without a value is left out where the papers print others for the system, but not this one.
    """
    found = list(results)
    printed = {(name, figure.test_set) for figure in published() for name in names_of(figure.system)}
    names = [name for name, _, _ in averages()]
    for system, normalizer in dict.fromkeys((result.system, result.normalizer) for result in results):
        mine = [result for result in results if (result.system, result.normalizer) == (system, normalizer)]
        has_others = any((system, name) in printed for name in names)
        for name, metric, sets in averages():
            average = _average(name, metric, sets, mine)
            if average and (average.value is not None or (system, name) in printed or not has_others):
                found.append(average)
    return found


def _average(name: str, metric: str, sets: Sequence[str], results: Sequence[Result]) -> Result | None:
    """The average over the test sets of one system's results by one rule; None for fewer than two of the sets.

    It has no value where sets are missing, or were not all recognised by the same model.
    """
    members = [result for result in results if kind_of(result.metric) == kind_of(metric) and result.test_set in sets]
    if len(members) < 2:
        return None
    values = [result.value for result in members if result.value is not None]
    value = fmean(values) if len(values) == len(sets) else None
    missing = f"{len(sets) - len(members)} of {len(sets)} sets"
    if len({result.source["provenance"]["model_sha256"] for result in members if result.source}) > 1:
        value, missing = None, "not one model"
    return Result(members[0].system, name, metric, members[0].normalizer, value, None, missing)
