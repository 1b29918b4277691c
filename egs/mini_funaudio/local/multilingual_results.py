"""The section on several languages: error rates of each, drawn as they come and balanced."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import error_rate, of_seeds, over_seeds, read_score, table

STEPS = r"languages|^sentences_|^spoken_(de|es|fr|ru)_"  # names of its steps in exp/seconds

NAMES = {"de": "German", "es": "Spanish", "fr": "French", "ru": "Russian"}
SAMPLINGS = {"natural": "as often as they come (natural)", "balanced": "all alike (balanced)"}


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted((exp / "multilingual/score").iterdir()):
        scores.setdefault(folder.name.partition("_")[2], []).append(read_score(folder))
    first = next(iter(scores.values()))[0]
    languages = [name for name in NAMES if name in first["groups"]["language"]]
    yield "## Several languages"
    yield ""
    yield "One recogniser of all, from the encoder of egs/mini, which has heard none of them; both trainings have as"
    yield "many steps. French and Russian have a tenth of the sentences. Unseen sentences in unseen voices, word error"
    yield f"rates in percent, {of_seeds(max(map(len, scores.values())))}."
    yield ""
    spoken = {name: first["groups"]["language"][name] for name in languages}
    head = ["languages are drawn", *(f"{NAMES[name]} ({spoken[name]['tokens']} words)" for name in languages), "mean"]
    yield from table(head, [[how, *_row(scores[way], languages)] for way, how in SAMPLINGS.items() if way in scores])


def _row(scores: Sequence[dict[str, Any]], languages: Sequence[str]) -> Iterator[str]:
    rates = [[error_rate(score["groups"]["language"][name]) for name in languages] for score in scores]
    for own in zip(*rates, strict=True):
        yield over_seeds(own, 1)
    yield over_seeds([sum(own) / len(own) for own in rates], 1)
