"""The section on contextual fine-tuning."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import error_rate, of_seeds, over_seeds, read_score, table

STEPS = r"^((decode|score)_)?(context|talk)_"  # names of its steps in exp/seconds

MODELS = {"without": "without context", "with": "with context"}
ASKED = {
    "none": "no context",
    "relevant": "one relevant",
    "five": "one relevant, five of others",
    "irrelevant": "five of others",
    "list": "list of 8 with the name",
}
TALKS = {"talk_none": "none", "talk_reference": "reference", "talk_recognised": "recognised (`--context-carry 1`)"}
LENGTHS = {"to_30_s": "to 30 s", "30_to_300_s": "30 to 300 s", "over_300_s": "over 300 s"}
_METRICS = {"hotword recall%": "names recognised", "U-CER%": "U-WER", "B-CER%": "B-WER"}
Scores = Mapping[tuple[str, str], Sequence[dict[str, Any]]]  # by model and way of asking


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for folder in sorted((exp / "context/score").iterdir()):
        training, _, way = folder.name.partition("-")
        found.setdefault((training.partition("_")[2], way), []).append(read_score(folder))
    seeds = max(len(own) for own in found.values())
    yield "## Context"
    yield ""
    yield "Names that sound alike and are written in three ways: only what stands in the prompt tells which, and a"
    yield "third is right by chance. A model that has learnt to hear them is trained further with contexts (text,"
    yield "lists, what was said before), and without, as many steps; names of the test are in no training. Error rates"
    yield "in percent, of all characters, of the names' (B-WER) and of all others (U-WER); names that are recognised,"
    yield f"in percent; {of_seeds(seeds)}."
    yield ""
    head = ["asked with", "trained", "error rate", *_METRICS.values()]
    yield from table(head, [_row(found, model, way) for way in ASKED for model in MODELS if (model, way) in found])
    yield ""
    yield "Conversations about one person. The title, which tells how the name is written, is said in the first"
    yield "sentence alone. Error rates by the length of the recording, and by what is known of the sentence before;"
    yield "beside them, of all recordings, names that are recognised and the error rates of names and of all else."
    yield ""
    rows = [_talk(found, model, way) for way in TALKS for model in MODELS if (model, way) in found]
    yield from table(["the sentence before", "trained", *LENGTHS.values(), *_METRICS.values()], rows)


def _row(found: Scores, model: str, way: str) -> list[str]:
    scores = found[model, way]
    return [ASKED[way], MODELS[model], over_seeds([error_rate(score) for score in scores], 1), *_names(scores)]


def _talk(found: Scores, model: str, way: str) -> list[str]:
    scores = found[model, way]
    rates = [over_seeds([error_rate(one["groups"]["span"][name]) for one in scores], 1) for name in LENGTHS]
    return [TALKS[way], MODELS[model], *rates, *_names(scores)]


def _names(scores: Sequence[dict[str, Any]]) -> list[str]:
    return [over_seeds([score["metrics"][name]["value"] for score in scores], 1) for name in _METRICS]
