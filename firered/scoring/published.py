"""The papers' figures: of which system, of which test set, and by which rule."""

from dataclasses import dataclass
from functools import cache
from statistics import fmean

from firered.scoring.resources import rows_of

NO_RULE = "-"  # of figures that are not made from texts; of papers, that it is not known
ERROR_RATES = ("CER%", "WER%", "MER%")
_ROUNDED = 0.0101  # averages of two decimals differ by as much from the mean of rows of two decimals


@dataclass(frozen=True)
class Published:
    """One figure of a paper."""

    table: str
    test_set: str
    metric: str
    system: str
    value: float
    printed: str = ""  # what the table calls the test set, where that is another name

    @property
    def paper(self) -> str:
        """The title of the paper."""
        return _papers()[self.table.rpartition("-")[0]][0]

    @property
    def title(self) -> str:
        """The name of the table, as it is cited."""
        return f"{self.paper}, table {self.table.rpartition('-')[2]}"

    def is_by(self, normalizer: str) -> bool:
        """Whether the figure was made by this rule; False where the paper's rule is not known."""
        if self.metric not in ERROR_RATES:
            return normalizer == NO_RULE
        return self.rule == normalizer != NO_RULE

    @property
    def rule(self) -> str:
        """The rule by which the paper's error rates were made."""
        return _papers()[self.table.rpartition("-")[0]][1]

    def is_of(self, test_set: str, metric: str) -> bool:
        """Whether it is of this test set and metric; error rates are one metric, whatever their unit is called."""
        return (self.test_set, kind_of(self.metric)) == (test_set, kind_of(metric))

    @property
    def mean_of_rows(self) -> float | None:
        """Of a printed average that is not the mean of the rows that it is of: their mean; else None."""
        sets = next((sets for name, _, sets in averages() if name == self.test_set), [])
        rows = _printed_rows(self.table, self.system, self.metric)
        if not sets or not rows.keys() >= set(sets):
            return None
        mean = fmean(rows[name] for name in sets)
        return mean if abs(mean - self.value) > _ROUNDED else None


def kind_of(metric: str) -> str:
    """What a metric counts: one kind for all error rates, since papers differ in what they call the same count."""
    return "error rate" if metric in ERROR_RATES else metric


def relative_reduction(baseline: float, value: float) -> float | None:
    """By how many percent of the baseline an error rate is lower: the papers' CERR; None where there are no errors.

    FireRedASR, table 4: 3.48 is 23.7% less than 4.56.
    """
    return 100 * (baseline - value) / baseline if baseline else None


@cache
def _papers() -> dict[str, tuple[str, str]]:
    return {name: (title, rule) for name, title, rule in rows_of("papers.tsv")}


@cache
def published() -> tuple[Published, ...]:
    """The figures of the papers, in their order."""
    rows = rows_of("paper_tables.tsv")
    return tuple(
        Published(table, name, metric, system, float(value), "".join(printed))
        for table, name, metric, system, value, *printed in rows
    )


@cache
def _printed_rows(table: str, system: str, metric: str) -> dict[str, float]:
    """The figures of a system in a table by test set."""
    wanted = table, system, metric
    return {
        figure.test_set: figure.value
        for figure in published()
        if (figure.table, figure.system, figure.metric) == wanted
    }


@cache
def averages() -> list[tuple[str, str, list[str]]]:
    """(name, metric, test sets) of the papers' averages."""
    return [(name, metric, sets.split()) for name, metric, sets in rows_of("averages.tsv")]


def names_of(system: str) -> tuple[str, ...]:
    """The names of a system in the papers and on the hub; of one that they do not have, its own."""
    return next((tuple(names) for names in rows_of("system_names.tsv") if system in names), (system,))
