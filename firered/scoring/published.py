"""The papers' figures: of which system, of which test set, and by which rule."""

from dataclasses import dataclass
from functools import cache

from firered.scoring.resources import rows_of

NO_RULE = "-"  # of figures that are not made from texts; of papers, that it is not known
_ERROR_RATES = ("CER%", "WER%")


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
        """The title of the paper."""
        return _papers()[self.table.rpartition("-")[0]][0]

    @property
    def title(self) -> str:
        """The name of the table, as it is cited."""
        return f"{self.paper}, table {self.table.rpartition('-')[2]}"

    def is_by(self, normalizer: str) -> bool:
        """Whether the figure was made by this rule; False where the paper's rule is not known."""
        if self.metric not in _ERROR_RATES:
            return normalizer == NO_RULE
        return self.rule == normalizer != NO_RULE

    @property
    def rule(self) -> str:
        """The rule by which the paper's error rates were made."""
        return _papers()[self.table.rpartition("-")[0]][1]


@cache
def _papers() -> dict[str, tuple[str, str]]:
    return {name: (title, rule) for name, title, rule in rows_of("papers.tsv")}


@cache
def published() -> tuple[Published, ...]:
    """The figures of the papers, in their order."""
    rows = rows_of("paper_tables.tsv")
    return tuple(Published(table, name, metric, system, float(value)) for table, name, metric, system, value in rows)


def averages() -> list[tuple[str, str, list[str]]]:
    """(name, metric, test sets) of the papers' averages."""
    return [(name, metric, sets.split()) for name, metric, sets in rows_of("averages.tsv")]


def names_of(system: str) -> tuple[str, ...]:
    """The names of a system in the papers and on the hub; of one that they do not have, its own."""
    return next((tuple(names) for names in rows_of("system_names.tsv") if system in names), (system,))
