"""Corrections of a finished text by hotwords that sound like it."""

from collections.abc import Callable, Sequence

from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Candidate
from firered.text.replacing import Match

Judge = Callable[[str], float | None]


def corrections(
    text: str, candidates: Sequence[Candidate], hotwords: HotwordList, judge: Judge | None = None
) -> list[Match]:
    """None yet."""
    return []
