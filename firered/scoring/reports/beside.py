"""A figure beside those that the papers print of the same test set."""

from collections.abc import Sequence

from firered.scoring.published import NO_RULE, Published, kind_of, names_of, published
from firered.scoring.reports.lines import shown, signed
from firered.scoring.reports.results import DASH, Result


def in_order(results: Sequence[Result]) -> list[Result]:
    """Results in the order of the papers' tables, unknown sets after them."""
    sets = dict.fromkeys((figure.test_set, kind_of(figure.metric)) for figure in published())
    place = {test_set: number for number, test_set in enumerate(sets)}

    def order(result: Result) -> tuple[int, str, str, str]:
        number = place.get((result.test_set, kind_of(result.metric)), len(place))
        return number, result.test_set, result.metric, result.normalizer

    return sorted(results, key=order)


def named_set(result: Result) -> str:
    """The test set, with what is to be known of its labels."""
    return f"{result.test_set} (labels: uncorrected drafts)" if result.note else result.test_set


def printed_cell(paper: Published | None) -> str:
    """A published figure; of an average that is not the mean of its printed rows, that mean too."""
    if paper is None:
        return DASH
    mean = paper.mean_of_rows
    return shown(paper.value) if mean is None else f"{shown(paper.value)} (its rows: {shown(mean)})"


def difference_cell(result: Result, paper: Published | None) -> str:
    """Here minus published, where both are by the same rule and the published figure is what it says."""
    if paper is None or result.value is None or result.note or not paper.is_by(result.normalizer):
        return DASH
    return DASH if paper.mean_of_rows is not None else signed(result.value - paper.value)


def notes_of(results: Sequence[Result]) -> list[str]:
    """What is to be said of the rows: labels, and printed averages that are not those of their rows."""
    notes = [f"{result.note}: no difference to published figures." for result in results if result.note]
    for paper in filter(None, map(published_of, results)):
        if paper.mean_of_rows is not None:
            notes.append(
                f"{paper.title} prints {shown(paper.value)} as {paper.test_set} of {paper.system}; the mean of its "
                f"rows is {shown(paper.mean_of_rows)}: no difference."
            )
    return list(dict.fromkeys(notes))


def same_figures(result: Result) -> list[Published]:
    """What the papers print of the same test set and metric, for any system."""
    return [figure for figure in published() if figure.is_of(result.test_set, result.metric)]


def published_of(result: Result) -> Published | None:
    """The papers' figure of the same system: the first one, of those by the same rule if there are any."""
    same = [figure for figure in same_figures(result) if figure.system in names_of(result.system)]
    by_rule = [figure for figure in same if figure.is_by(result.normalizer)]
    return next(iter([*by_rule, *same]), None)


def heading_of(table: Published, results: Sequence[Result]) -> str:
    """What stands above a table that sets results beside those of the paper's table that a figure is of."""
    rates = any(result.normalizer != NO_RULE for result in results)
    rule = f" Its rule: {table.rule if table.rule != NO_RULE else 'not known'}." if rates else ""
    return f"Beside {table.title}.{rule}"
