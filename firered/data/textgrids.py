"""Praat TextGrids, read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from praatio import textgrid
from praatio.utilities.errors import PraatioException

from firered.errors import DataError


@dataclass(frozen=True)
class Tier:
    """A tier of intervals: start and end in seconds, and the text; intervals without text are left out."""

    name: str
    intervals: Sequence[tuple[float, float, str]]


@dataclass(frozen=True)
class TextGrid:
    """The tiers of intervals (tiers of points are left out) and the end of the recording in seconds."""

    path: Path
    tiers: Sequence[Tier]
    end_s: float

    def tier(self, name: str) -> Tier:
        """The first tier of this name; a DataError that lists the names where there is none."""
        for tier in self.tiers:
            if tier.name == name:
                return tier
        names = ", ".join(tier.name for tier in self.tiers)
        raise DataError(f"{self.path}: no tier {name!r} of intervals; there are {names}")


def read_textgrid(path: Path) -> TextGrid:
    """Read a TextGrid, in Praat's long or short form.

    Raises:
        DataError: there is no such file, or it is no TextGrid.
    """
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (PraatioException, ValueError, IndexError, UnicodeError) as error:
        raise DataError(f"{path}: not a readable TextGrid ({error})") from None
    tiers = [
        Tier(tier.name, [(entry.start, entry.end, entry.label) for entry in tier.entries])
        for tier in grid.tiers
        if isinstance(tier, textgrid.IntervalTier)
    ]
    return TextGrid(path, tiers, grid.maxTimestamp)
