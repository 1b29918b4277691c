"""RESULTS.md: scores beside the published figures."""

from collections.abc import Iterator, Sequence

from firered.scoring.config import TableConfig
from firered.scoring.published import kind_of, published
from firered.scoring.reports.beside import (
    difference_cell,
    heading_of,
    in_order,
    named_set,
    notes_of,
    printed_cell,
    published_of,
    same_figures,
)
from firered.scoring.reports.lines import shown, shown_interval, shown_settings
from firered.scoring.reports.markdown import markdown
from firered.scoring.reports.passes import passes_section
from firered.scoring.reports.provenance import made_of
from firered.scoring.reports.results import DASH, Result
from firered.scoring.reports.systems import systems_section
from firered.scoring.text.speechio import NOTE

_RESULT = ("Test set", "Metric", "Normaliser", "Here", "95% interval")
_FIGURES = (*_RESULT, "Published", "Difference", "Missing")
_BY_DESCRIPTION = (*_RESULT, "Missing")
_SOURCES = ("Test set", "Normaliser", "Utterances", "Model (SHA-256)", "Settings", "Commit", "Version", "Date")


def results_page(title: str, results: Sequence[Result], config: TableConfig | None = None) -> Iterator[str]:
    """The lines of RESULTS.md: several systems side by side; of each its figures, the papers' tables, and its sources.

    Raises:
        OptionError: the baseline is neither among the results nor in the papers.
        DataError: the counts beside a score cannot be read.
    """
    systems = sorted({result.system for result in results})
    config = config or TableConfig()
    yield f"# {title}"
    yield ""
    yield (
        "Rates in percent, from counts added up over a test set; averages are over test sets, each of the same weight. "
        "Intervals: 95%, by resampling utterances. Published: what the papers print for the system. Difference: here "
        "minus published, where the papers' figure is known to be made by the same rule."
    )
    together = config.baseline is not None or len({result.row for result in results}) < len(results)
    if together:
        yield from systems_section(results, config)
    yield from passes_section(results)
    for system in systems:
        mine = in_order([result for result in results if result.system == system])
        beside = [result for result in mine if result.comparable]
        yield ""
        yield f"## {system if system != DASH else 'no system named'}"
        if beside:
            yield ""
            yield from markdown(_FIGURES, map(_figures_row, beside))
            for note in notes_of(beside):
                yield ""
                yield note
        if by_description := [result for result in mine if not result.comparable]:
            yield ""
            yield f"Not beside published figures: {NOTE}."
            yield ""
            yield from markdown(_BY_DESCRIPTION, ([*_cells(result), result.missing] for result in by_description))
        if not together:
            yield from _papers_tables(beside)
        yield ""
        yield from _sources_table(mine)


def _cells(result: Result) -> list[str]:
    value = f"**{shown(result.value)}**" if result.value is not None else DASH
    return [
        named_set(result),
        result.metric.removesuffix("%"),
        result.normalizer,
        value,
        shown_interval(result.interval),
    ]


def _figures_row(result: Result) -> list[str]:
    paper = published_of(result)
    return [*_cells(result), printed_cell(paper), difference_cell(result, paper), result.missing]


def _papers_tables(results: Sequence[Result]) -> Iterator[str]:
    """For each of the papers' tables that holds one of the test sets, the results beside what all its systems have."""
    beside = [(result, figure) for result in results for figure in same_figures(result)]
    order = {figure.table: None for figure in published()}
    for table in order:
        inside = [(result, figure) for result, figure in beside if figure.table == table]
        if not inside:
            continue
        rows = list(dict.fromkeys(result for result, _ in inside))
        systems = list(dict.fromkeys(figure.system for _, figure in inside))
        values = {(figure.test_set, kind_of(figure.metric), figure.system): figure for _, figure in inside}
        yield ""
        yield heading_of(inside[0][1], rows)
        yield ""
        yield from markdown(
            (*_RESULT[:4], *systems),
            (
                [
                    *_cells(row)[:4],
                    *(printed_cell(values.get((row.test_set, kind_of(row.metric), system))) for system in systems),
                ]
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
                made_of(made_by) or DASH,
                shown_settings(result.source.get("settings") or {}) or DASH,
                made_by["commit"] or DASH,
                made_by["version"],
                made_by["date"],
            ]
    yield from markdown(_SOURCES, rows.values())
