"""RESULTS.md: written by firered-table, and read."""

import re
import sys

import pytest

from firered.cli import table as cli


def table(monkeypatch, *arguments):
    """The exit status of firered-table."""
    monkeypatch.setattr(sys, "argv", ["firered-table", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.table()
    return ended.value.code or 0


def rows(text, number=0):
    """The rows of a table of a Markdown text, as dictionaries."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    heading, _, *body = ([cell.strip() for cell in line.split("|")[1:-1]] for line in tables[number].splitlines())
    return [dict(zip(heading, cells, strict=True)) for cells in body]


def under(text, words):
    """The rows of the first table after these words; none where they are not there."""
    _, _, after = text.partition(words)
    return rows(after) if after else []


def beside(text, table):
    """The rows of a paper's table in a Markdown text; none where it has no such table."""
    return under(text, f"Beside {table}.")
