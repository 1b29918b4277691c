"""RESULTS.md: scores beside the published figures."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from firered.errors import DataError
from firered.scoring.reports.lines import shown, shown_interval
from firered.scoring.resources import rows_of

_HASH_SHOWN = 12
_DASH = "-"
_FIGURES = ("Test set", "Metric", "Normaliser", "Here", "95% interval", "Published", "Difference", "Missing")
_SOURCES = ("Test set", "Normaliser", "Utterances", "Model (SHA-256)", "Commit", "Version", "Date")


@dataclass(frozen=True)
class Published:
    """One figure of a paper."""

    table: str
    test_set: str
    metric: str
    system: str
    value: float

    @property
    def paper(self) -> str:
        """The name of the table without its number."""
        return self.table.rpartition("-")[0]


@dataclass(frozen=True)
class Result:
    """One figure of one score.json, or an average of several; `source` is what the whole file says."""

    system: str
    test_set: str
    metric: str
    normalizer: str
    value: float | None
    interval: Sequence[float] | None
    missing: str
    source: dict | None = None


def published() -> list[Published]:
    """The figures of the papers, in their order."""
    rows = rows_of("paper_tables.tsv")
    return [Published(table, test_set, metric, system, float(value)) for table, test_set, metric, system, value in rows]


def averages() -> list[tuple[str, str, list[str]]]:
    """(name, metric, test sets) of the papers' averages."""
    return [(name, metric, sets.split()) for name, metric, sets in rows_of("averages.tsv")]


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
                score["system"] or _DASH,
                score["test_set"] or file.parent.name,
                metric,
                score.get("normalizer", _DASH),
                figure["value"],
                figure["interval"],
                f"{score['missing']} of {score['utterances'] + score['missing'] * score.get('missing_left_out', 0)}",
                score,
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a score.json of firered-score ({type(error).__name__}: {error})") from None


def with_averages(results: Sequence[Result]) -> list[Result]:
    """The results and the papers' averages over them; an average of which sets are missing has no value.

    Such an average without a value is left out where the papers print others for the system, but not this one.
    """
    found = list(results)
    printed = {(figure.system, figure.test_set) for figure in published()}
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
    """The average over the test sets of one system's results by one rule; None for fewer than two of the sets."""
    members = [result for result in results if result.metric == metric and result.test_set in sets]
    if len(members) < 2:
        return None
    values = [result.value for result in members if result.value is not None]
    value = fmean(values) if len(values) == len(sets) else None
    missing = f"{len(sets) - len(members)} of {len(sets)} sets"
    return Result(members[0].system, name, metric, members[0].normalizer, value, None, missing)


def results_page(title: str, results: Sequence[Result]) -> Iterator[str]:
    """The lines of RESULTS.md: a table of figures a system, and what made them."""
    figures = published()
    yield f"# {title}"
    yield ""
    yield (
        "Rates in percent, from counts added up over a test set; averages are over test sets, each of the same weight. "
        "Intervals: 95%, by resampling utterances. Difference: here minus published."
    )
    for system in sorted({result.system for result in results}):
        mine = _in_order([result for result in results if result.system == system], figures)
        yield ""
        yield f"## {system if system != _DASH else 'no system named'}"
        yield ""
        yield from _figures_table(system, mine, figures)
        yield ""
        yield from _sources_table(mine)


def _in_order(results: Sequence[Result], figures: Sequence[Published]) -> list[Result]:
    """Results in the order of the papers' tables, unknown sets after them."""
    sets = dict.fromkeys((figure.test_set, figure.metric) for figure in figures)
    place = {test_set: number for number, test_set in enumerate(sets)}

    def order(result: Result) -> tuple[int, str, str, str]:
        number = place.get((result.test_set, result.metric), len(place))
        return number, result.test_set, result.metric, result.normalizer

    return sorted(results, key=order)


def _figures_table(system: str, results: Sequence[Result], figures: Sequence[Published]) -> Iterator[str]:
    beside = [figure for result in results for figure in _beside(result, system, figures)]
    others = [name for name in dict.fromkeys(figure.system for figure in beside) if name != system]
    # The last to be set stays: where two tables differ in a figure, that of the first one.
    values = {(figure.test_set, figure.metric, figure.system): figure.value for figure in reversed(beside)}
    yield from _markdown([*_FIGURES, *others], (_figures_row(result, system, others, values) for result in results))


def _beside(result: Result, system: str, figures: Sequence[Published]) -> list[Published]:
    """The published figures for a result: of the tables that hold the same system; of the first paper where none does.

    More than one paper's tables together would be too wide to read.
    """
    same = [figure for figure in figures if (figure.test_set, figure.metric) == (result.test_set, result.metric)]
    tables = {figure.table for figure in same if figure.system == system}
    if not tables:
        tables = {figure.table for figure in same if figure.paper == same[0].paper}
    return [figure for figure in same if figure.table in tables]


def _figures_row(
    result: Result, system: str, others: Sequence[str], values: Mapping[tuple[str, str, str], float]
) -> list[str]:
    paper = values.get((result.test_set, result.metric, system))
    difference = None if paper is None or result.value is None else result.value - paper
    beside = (shown(values.get((result.test_set, result.metric, other))) for other in others)
    return [
        result.test_set,
        result.metric.removesuffix("%"),
        result.normalizer,
        f"**{shown(result.value)}**" if result.value is not None else _DASH,
        shown_interval(result.interval),
        shown(paper),
        _DASH if difference is None else f"{difference:+.2f}",
        result.missing,
        *beside,
    ]


def _sources_table(results: Sequence[Result]) -> Iterator[str]:
    """Model, commit and date of each score; one line for all figures of a file."""
    rows: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.source:
            made_by = result.source["provenance"]
            rows[result.test_set, result.normalizer] = [
                result.test_set,
                result.normalizer,
                str(result.source["utterances"]),
                (made_by["model_sha256"] or _DASH)[:_HASH_SHOWN],
                made_by["commit"] or _DASH,
                made_by["version"],
                made_by["date"],
            ]
    yield from _markdown(_SOURCES, rows.values())


def _markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "|" + "---|" * len(heading)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
