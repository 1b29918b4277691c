"""The figures of the papers."""

import csv

from firered.scoring.published import published


def test_the_papers_figures_are_those_of_the_specification(shared):
    with shared("spec/paper_tables.tsv").open(encoding="utf-8", newline="") as stream:
        given = list(csv.DictReader(stream, delimiter="\t"))
    ours = [
        (figure.table, figure.test_set, figure.metric, figure.system, figure.value, figure.printed)
        for figure in published()
    ]
    theirs = [
        (row["table"], row["test_set"], row["metric"], row["system"], float(row["value"]), row["printed"] or "")
        for row in given
    ]
    assert ours == theirs
