"""The section on streaming data: error rates of whole utterances and of streams, and what streams show."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from figures import error_rate, of_seeds, over_seeds, read_score, table

STEPS = r"^((decode|score|live|given)_)?streaming_"  # names of its steps in exp/seconds

WAYS = {
    "base": "as it is",
    "without": "whole utterances alone",
    "masked": "the first labels of 50% masked",
    "chunks": "50% as chunks with the text so far",
    "both": "both",
}
HEARD = {
    "one-whole": "sentences, whole",
    "one-720": "sentences, 0.72 s",
    "one-360": "sentences, 0.36 s",
    "two-whole": "two in a row, whole",
    "two-720": "two in a row, 0.72 s",
    "two-360": "two in a row, 0.36 s",
}
_PLAIN = "without"
_COUNTS = ("substitutions", "deletions", "insertions")
Figures = Mapping[tuple[str, str], Sequence[dict[str, Any]]]  # by way and what is heard


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores, live = (_by_way(exp / "streaming" / name, read_score) for name in ("score", "live"))
    given = _by_way(exp / "streaming/given", _read)
    heard = [name for name in HEARD if any(own == name for _, own in scores)]
    ways = [way for way in WAYS if (way, heard[0]) in scores]
    yield "## Streams"
    yield ""
    yield "A small Fun-ASR-Nano that has heard whole sentences is trained further: on whole sentences alone; with the"
    yield "labels of a random beginning masked (`use_dynamic_output_ratio`); with beginnings of utterances in chunks,"
    yield "of which the text so far is given but for five tokens; and with both. Each way has as many steps. Streams"
    yield "are decoded as published: with every step all audio so far, and the text so far but for five tokens as the"
    yield "beginning of the answer. Two sentences in a row are longer than what any training has. Error rates in"
    yield "percent, with the mean numbers of substitutions, deletions and insertions;"
    yield f"{_sizes(scores, ways[0], heard)}; {of_seeds(max(map(len, scores.values())))}."
    yield ""
    rows = [[WAYS[way], *(_rate(scores[way, name]) for name in heard)] for way in ways]
    yield from table(["trained", *(HEARD[name] for name in heard)], rows)
    yield ""
    yield "The same seed by seed: percent of errors more, or less, than after training on whole utterances alone."
    yield ""
    rows = [
        [WAYS[way], *(_more(scores[way, name], scores[_PLAIN, name]) for name in heard)]
        for way in ways
        if way not in ("base", _PLAIN)
    ]
    yield from table(["trained", *(HEARD[name] for name in heard)], rows)
    yield ""
    yield "What streams of sentences show: characters before they are begun, guesses that is; characters that are taken"
    yield "back, in percent of the final text; seconds until a character is shown for good (median), by the clock of"
    yield "the audio; utterances whose final text is wrong, and those of them whose last step was given a wrong text."
    yield ""
    head = ["heard", "trained", "shown too soon, %", "taken back, %", "delay, s", "wrong, %", "given a wrong text"]
    streams = [(way, name) for name in heard if name.startswith("one") for way in ways if (way, name) in live]
    yield from table(head, [[HEARD[own[1]], WAYS[own[0]], *_shown(live[own], given[own])] for own in streams])


def _by_way(folder: Path, read: Any) -> dict[tuple[str, str], list[dict[str, Any]]]:  # noqa: ANN401 - of a path
    """What is in folders or files SEED_WAY-HEARD."""
    found = defaultdict(list)
    for path in sorted(folder.iterdir()):
        way, _, heard = path.stem.partition("_")[2].partition("-")
        found[way, heard].append(read(path))
    return found


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _sizes(scores: Figures, way: str, heard: Sequence[str]) -> str:
    """How many utterances and characters the sets have."""
    sets = {name.partition("-")[0]: scores[way, name][0] for name in heard}
    return " and ".join(f"{own['utterances']} utterances of {own['tokens']} characters" for own in sets.values())


def _rate(scores: Sequence[dict[str, Any]]) -> str:
    counts = "/".join(f"{mean(one[count] for one in scores):.0f}" for count in _COUNTS)
    return f"{over_seeds([error_rate(one) for one in scores], 1)} ({counts})"


def _more(scores: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]]) -> str:
    """How many more errors, in percent, of each seed."""
    pairs = zip(scores, plain, strict=False)
    return over_seeds([100 * (own["errors"] / max(1, other["errors"]) - 1) for own, other in pairs], 0)


def _shown(live: Sequence[dict[str, Any]], given: Sequence[dict[str, Any]]) -> list[str]:
    soon = [100 * one["shown_before_their_start"] / one["words"] for one in live]
    # None where no text was written, or none of it is right.
    back = [100 * own for one in live if (own := one["flicker"]["normalised_erasure"]) is not None]
    delays = [own for one in live if (own := one["delays_s"]["final, heard"]["p50"]) is not None]
    wrong = [100 * one["wrong"] / one["utterances"] for one in given]
    of_given = f"{sum(one['given_wrong'] for one in given)} of {sum(one['wrong'] for one in given)}"
    return [over_seeds(soon, 1), over_seeds(back, 0), over_seeds(delays), over_seeds(wrong, 1), of_given]
