"""The lists that come with the package."""

from importlib.resources import files


def text_of(name: str) -> str:
    """The content of a data file of this package."""
    return files("firered.scoring").joinpath("data").joinpath(name).read_text(encoding="utf-8")


def lines_of(name: str) -> list[str]:
    """The lines of a data file; empty ones and comments (`#`) are left out."""
    return [line for line in text_of(name).splitlines() if line and not line.startswith("#")]


def rows_of(name: str) -> list[list[str]]:
    """The lines of a data file, split at tabs."""
    return [line.split("\t") for line in lines_of(name)]
