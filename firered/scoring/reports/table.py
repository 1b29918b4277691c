"""RESULTS.md: scores beside the published figures."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from firered.errors import DataError
from firered.scoring.reports.result import shown, shown_interval
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
    return [Published(*names, float(value)) for *names, value in rows_of("paper_tables.tsv")]


def averages() -> list[tuple[str, str, list[str]]]:
    """(name, metric, test sets) of the papers' averages."""
    return [(name, metric, sets.split()) for name, metric, sets in rows_of("averages.tsv")]


def read_results(paths: Iterable[Path]) -> list[Result]:
    """The figures of score.json files; a folder stands for all that are in it.

    Raises:
        DataError: a file is no score, does not say which test set it is of, or two are of the same.
    """
    results, seen = [], {}
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
    for system, normalizer in dict.fromkeys((one.system, one.normalizer) for one in results):
        mine = {
            (one.test_set, one.metric): one for one in results if (one.system, one.normalizer) == (system, normalizer)
        }
        has_others = any((system, name) in printed for name in names)
        for name, metric, sets in averages():
            members = [mine[one, metric] for one in sets if (one, metric) in mine]
            if len(members) > 1:
                values = [one.value for one in members]
                whole = len(members) == len(sets) and None not in values
                if not whole and has_others and (system, name) not in printed:
                    continue
                absent = f"{len(sets) - len(members)} of {len(sets)} sets"
                found.append(Result(system, name, metric, normalizer, fmean(values) if whole else None, None, absent))
    return found


def results_page(title: str, results: Sequence[Result]) -> Iterator[str]:
    """The lines of RESULTS.md: a table of figures a system, and what made them."""
    figures = published()
    yield f"# {title}"
    yield ""
    yield (
        "Rates in percent, from counts added up over a test set; averages are over test sets, each of the same weight. "
        "Intervals: 95%, by resampling utterances. Difference: here minus published."
    )
    for system in sorted({one.system for one in results}):
        mine = _in_order([one for one in results if one.system == system], figures)
        yield ""
        yield f"## {system if system != _DASH else 'no system named'}"
        yield ""
        yield from _figures_table(system, mine, figures)
        yield ""
        yield from _sources_table(mine)


def _in_order(results: Sequence[Result], figures: Sequence[Published]) -> list[Result]:
    """Results in the order of the papers' tables, unknown sets after them."""
    place = {key: number for number, key in enumerate(dict.fromkeys((one.test_set, one.metric) for one in figures))}
    return sorted(
        results,
        key=lambda one: (place.get((one.test_set, one.metric), len(place)), one.test_set, one.metric, one.normalizer),
    )


def _figures_table(system: str, results: Sequence[Result], figures: Sequence[Published]) -> Iterator[str]:
    beside = [figure for one in results for figure in _beside(one, system, figures)]
    others = [name for name in dict.fromkeys(one.system for one in beside) if name != system]
    # The last to be set stays: where two tables differ in a figure, that of the first one.
    value = {(one.test_set, one.metric, one.system): one.value for one in reversed(beside)}
    yield from _markdown([*_FIGURES, *others], (_figures_row(one, system, others, value) for one in results))


def _beside(one: Result, system: str, figures: Sequence[Published]) -> list[Published]:
    """The published figures for a result: of the tables that hold the same system; of the first paper where none does.

    More than one paper's tables together would be too wide to read.
    """
    same = [figure for figure in figures if (figure.test_set, figure.metric) == (one.test_set, one.metric)]
    tables = {figure.table for figure in same if figure.system == system}
    if not tables:
        tables = {figure.table for figure in same if figure.paper == same[0].paper}
    return [figure for figure in same if figure.table in tables]


def _figures_row(one: Result, system: str, others: Sequence[str], value: dict) -> list[str]:
    paper = value.get((one.test_set, one.metric, system))
    difference = None if paper is None or one.value is None else one.value - paper
    beside = (shown(value.get((one.test_set, one.metric, other))) for other in others)
    return [
        one.test_set,
        one.metric.removesuffix("%"),
        one.normalizer,
        f"**{shown(one.value)}**" if one.value is not None else _DASH,
        shown_interval(one.interval),
        shown(paper),
        _DASH if difference is None else f"{difference:+.2f}",
        one.missing,
        *beside,
    ]


def _sources_table(results: Sequence[Result]) -> Iterator[str]:
    """Model, commit and date of each score; one line for all figures of a file."""
    rows = {}
    for one in results:
        if one.source:
            made = one.source["provenance"]
            model = (made["model_sha256"] or _DASH)[:_HASH_SHOWN]
            key = (one.test_set, one.normalizer)
            rows[key] = [
                *key,
                str(one.source["utterances"]),
                model,
                made["commit"] or _DASH,
                made["version"],
                made["date"],
            ]
    yield from _markdown(_SOURCES, rows.values())


def _markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "|" + "---|" * len(heading)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
