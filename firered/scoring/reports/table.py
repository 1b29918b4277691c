"""RESULTS.md: scores beside the published figures."""

from collections.abc import Iterable, Iterator, Sequence

from firered.scoring.published import NO_RULE, Published, kind_of, names_of, published
from firered.scoring.reports.lines import shown, shown_interval, shown_settings, signed
from firered.scoring.reports.provenance import made_of
from firered.scoring.reports.results import DASH, Result
from firered.scoring.text.speechio import NOTE

_RESULT = ("Test set", "Metric", "Normaliser", "Here", "95% interval")
_FIGURES = (*_RESULT, "Published", "Difference", "Missing")
_BY_DESCRIPTION = (*_RESULT, "Missing")
_SOURCES = ("Test set", "Normaliser", "Utterances", "Model (SHA-256)", "Settings", "Commit", "Version", "Date")


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
        yield f"## {system if system != DASH else 'no system named'}"
        if beside:
            yield ""
            yield from _markdown(_FIGURES, map(_figures_row, beside))
            for note in _notes(beside):
                yield ""
                yield note
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
    sets = dict.fromkeys((figure.test_set, kind_of(figure.metric)) for figure in published())
    place = {test_set: number for number, test_set in enumerate(sets)}

    def order(result: Result) -> tuple[int, str, str, str]:
        number = place.get((result.test_set, kind_of(result.metric)), len(place))
        return number, result.test_set, result.metric, result.normalizer

    return sorted(results, key=order)


def _cells(result: Result) -> list[str]:
    value = f"**{shown(result.value)}**" if result.value is not None else DASH
    return [
        f"{result.test_set} (labels: uncorrected drafts)" if result.note else result.test_set,
        result.metric.removesuffix("%"),
        result.normalizer,
        value,
        shown_interval(result.interval),
    ]


def _figures_row(result: Result) -> list[str]:
    paper = _published_of(result)
    return [*_cells(result), _printed(paper), _difference(result, paper), result.missing]


def _printed(paper: Published | None) -> str:
    """A published figure; of an average that is not the mean of its printed rows, that mean too."""
    if paper is None:
        return DASH
    mean = paper.mean_of_rows
    return shown(paper.value) if mean is None else f"{shown(paper.value)} (its rows: {shown(mean)})"


def _difference(result: Result, paper: Published | None) -> str:
    """Here minus published, where both are by the same rule and the published figure is what it says."""
    if paper is None or result.value is None or result.note or not paper.is_by(result.normalizer):
        return DASH
    return DASH if paper.mean_of_rows is not None else signed(result.value - paper.value)


def _notes(results: Sequence[Result]) -> list[str]:
    """What is to be said of the rows: labels, and printed averages that are not those of their rows."""
    notes = [f"{result.note}: no difference to published figures." for result in results if result.note]
    for paper in filter(None, map(_published_of, results)):
        if paper.mean_of_rows is not None:
            notes.append(
                f"{paper.title} prints {shown(paper.value)} as {paper.test_set} of {paper.system}; the mean of its "
                f"rows is {shown(paper.mean_of_rows)}: no difference."
            )
    return list(dict.fromkeys(notes))


def _same_figure(result: Result) -> list[Published]:
    """What the papers print of the same test set and metric, for any system."""
    return [figure for figure in published() if figure.is_of(result.test_set, result.metric)]


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
        values = {(figure.test_set, kind_of(figure.metric), figure.system): figure for _, figure in inside}
        first = inside[0][1]
        rates = any(result.normalizer != NO_RULE for result in rows)
        rule = f" Its rule: {first.rule if first.rule != NO_RULE else 'not known'}." if rates else ""
        yield ""
        yield f"Beside {first.title}.{rule}"
        yield ""
        yield from _markdown(
            (*_RESULT[:4], *systems),
            (
                [
                    *_cells(row)[:4],
                    *(_printed(values.get((row.test_set, kind_of(row.metric), system))) for system in systems),
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
    yield from _markdown(_SOURCES, rows.values())


def _markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield "|" + "---|" * len(heading)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
