"""RESULTS.md: scores beside the published figures."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from firered.errors import DataError
from firered.scoring.published import NO_RULE, Published, averages, names_of, published
from firered.scoring.reports.lines import shown, shown_interval, shown_settings
from firered.scoring.reports.provenance import made_of
from firered.scoring.text.speechio import NOTE

_DASH = "-"
_RESULT = ("Test set", "Metric", "Normaliser", "Here", "95% interval")
_FIGURES = (*_RESULT, "Published", "Difference", "Missing")
_BY_DESCRIPTION = (*_RESULT, "Missing")
_SOURCES = ("Test set", "Normaliser", "Utterances", "Model (SHA-256)", "Settings", "Commit", "Version", "Date")


@dataclass(frozen=True, eq=False)
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

    @property
    def drafts(self) -> bool:
        """Whether references are a detector's drafts, some of which nobody has corrected."""
        return bool(self.source and self.source.get("drafts"))

    @property
    def comparable(self) -> bool:
        """Whether it may stand beside published figures: not if its rule is only like the one it is named after."""
        return self.normalizer.partition("+")[0] != "speechio"


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
    members = [result for result in results if result.metric == metric and result.test_set in sets]
    if len(members) < 2:
        return None
    values = [result.value for result in members if result.value is not None]
    value = fmean(values) if len(values) == len(sets) else None
    missing = f"{len(sets) - len(members)} of {len(sets)} sets"
    if len({result.source["provenance"]["model_sha256"] for result in members if result.source}) > 1:
        value, missing = None, "not one model"
    return Result(members[0].system, name, metric, members[0].normalizer, value, None, missing)


def results_page(title: str, results: Sequence[Result]) -> Iterator[str]:
    """The lines of RESULTS.md: for each system its figures, the same beside the papers' tables, and their sources."""
    yield f"# {title}"
    yield ""
    yield (
        "Rates in percent, from counts added up over a test set; averages are over test sets, each of the same weight. "
        "Intervals: 95%, by resampling utterances. Published: what the papers print for the system. Difference: here "
        "minus published, where the papers' figure is known to be made by the same rule."
    )
    for system in sorted({result.system for result in results}):
        mine = _in_order([result for result in results if result.system == system])
        beside = [result for result in mine if result.comparable]
        yield ""
        yield f"## {system if system != _DASH else 'no system named'}"
        if beside:
            yield ""
            yield from _markdown(_FIGURES, map(_figures_row, beside))
        if by_description := [result for result in mine if not result.comparable]:
            yield ""
            yield f"Not beside published figures: {NOTE}."
            yield ""
            yield from _markdown(_BY_DESCRIPTION, ([*_cells(result), result.missing] for result in by_description))
        yield from _papers_tables(beside)
        yield ""
        yield from _sources_table(mine)


def _in_order(results: Sequence[Result]) -> list[Result]:
    """Results in the order of the papers' tables, unknown sets after them."""
    sets = dict.fromkeys((figure.test_set, figure.metric) for figure in published())
    place = {test_set: number for number, test_set in enumerate(sets)}

    def order(result: Result) -> tuple[int, str, str, str]:
        number = place.get((result.test_set, result.metric), len(place))
        return number, result.test_set, result.metric, result.normalizer

    return sorted(results, key=order)


def _cells(result: Result) -> list[str]:
    value = f"**{shown(result.value)}**" if result.value is not None else _DASH
    return [
        f"{result.test_set} (labels: uncorrected drafts)" if result.drafts else result.test_set,
        result.metric.removesuffix("%"),
        result.normalizer,
        value,
        shown_interval(result.interval),
    ]


def _figures_row(result: Result) -> list[str]:
    paper = _published_of(result)
    difference = _DASH
    if paper and paper.is_by(result.normalizer) and result.value is not None and not result.drafts:
        difference = f"{result.value - paper.value:+.2f}"
    return [*_cells(result), shown(paper.value if paper else None), difference, result.missing]


def _same_figure(result: Result) -> list[Published]:
    """What the papers print of the same test set and metric, for any system."""
    return [figure for figure in published() if (figure.test_set, figure.metric) == (result.test_set, result.metric)]


def _published_of(result: Result) -> Published | None:
    """The papers' figure of the same system: the first one, of those by the same rule if there are any."""
    same = [figure for figure in _same_figure(result) if figure.system in names_of(result.system)]
    by_rule = [figure for figure in same if figure.is_by(result.normalizer)]
    return next(iter([*by_rule, *same]), None)


def _papers_tables(results: Sequence[Result]) -> Iterator[str]:
    """For each of the papers' tables that holds one of the test sets, the results beside what all its systems have."""
    beside = [(result, figure) for result in results for figure in _same_figure(result)]
    order = {figure.table: None for figure in published()}
    for table in order:
        inside = [(result, figure) for result, figure in beside if figure.table == table]
        if not inside:
            continue
        rows = list(dict.fromkeys(result for result, _ in inside))
        systems = list(dict.fromkeys(figure.system for _, figure in inside))
        values = {(figure.test_set, figure.metric, figure.system): figure.value for _, figure in inside}
        first = inside[0][1]
        rates = any(result.normalizer != NO_RULE for result in rows)
        rule = f" Its rule: {first.rule if first.rule != NO_RULE else 'not known'}." if rates else ""
        yield ""
        yield f"Beside {first.title}.{rule}"
        yield ""
        yield from _markdown(
            (*_RESULT[:4], *systems),
            (
                [*_cells(row)[:4], *(shown(values.get((row.test_set, row.metric, system))) for system in systems)]
                for row in rows
            ),
        )


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
                made_of(made_by) or _DASH,
                shown_settings(result.source.get("settings") or {}) or _DASH,
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
