"""Tables of Markdown."""

from collections.abc import Iterable, Iterator, Sequence


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; a `|` in a cell does not end it."""
    yield f"| {' | '.join(map(_cell, heading))} |"
    yield "|" + "---|" * len(heading)
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return text.replace("|", chr(92) + "|")
