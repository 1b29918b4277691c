"""The section on streaming data: error rates of whole utterances and of streams, and what streams show."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from figures import error_rate, of_seeds, over_seeds, read_score, table

WAYS = {
    "base": "as it is",
    "without": "whole utterances alone",
    "masked": "the first labels of 50% masked",
    "chunks": "chunks of 50%, the text so far given",
    "both": "both",
}
SETS = {"fun_asr": "sentences", "streaming": "two or three in a row"}
_COUNTS = ("substitutions", "deletions", "insertions")
Scores = Mapping[tuple[str, str, str], Sequence[dict[str, Any]]]  # by way, set and mode


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores, given = _by_way(exp / "streaming/score", read_score), _by_way(exp / "streaming/given", _read)
    live = _by_way(exp / "streaming/live", read_score)
    rows = [(way, kind) for kind in SETS for way in WAYS if (way, kind, "offline") in scores]
    first = {kind: scores[way, kind, "offline"][0] for way, kind in rows}
    sizes = " and ".join(f"{own['utterances']} utterances, {own['tokens']} characters" for own in first.values())
    yield "## Streams"
    yield ""
    yield "A small Fun-ASR-Nano that knows sentences, and two or three of them in a row, is trained further: on"
    yield "whole utterances alone; with the labels of a random beginning masked (`use_dynamic_output_ratio`); with"
    yield "beginnings of utterances in chunks of 0.72 s, of which the text so far is given but for five tokens; and"
    yield "with both. Each way has as many steps. Streams are decoded as published: all audio so far, every 0.72 s,"
    yield "with the text so far but for five tokens as the beginning of the answer. Error rates in percent;"
    yield f"substitutions, deletions and insertions are means. {sizes}; {of_seeds(max(map(len, scores.values())))}."
    yield ""
    head = ["heard", "trained", "whole: error rate", "S / D / I", "streamed: error rate", "S / D / I"]
    yield from table(head, [_rates(scores, way, kind) for way, kind in rows])
    yield ""
    yield "What streams show. Characters that are shown before they are begun, guesses that is; characters that are"
    yield "taken back, in percent of the final text; seconds until a character is shown for good (median), on the clock"
    yield "of the audio; utterances whose final text is wrong, those of them whose last step was given a wrong text."
    yield ""
    head = ["heard", "trained", "shown too soon, %", "taken back, %", "delay, s", "wrong, %", "given a wrong text"]
    yield from table(head, [_shown(live, given, way, kind) for way, kind in rows if (way, kind, "") in live])


def _by_way(folder: Path, read: Any) -> dict[tuple[str, str, str], list[dict[str, Any]]]:  # noqa: ANN401 - of a path
    """What is in folders or files SEED_WAY-SET-MODE or SEED_WAY-SET."""
    found = defaultdict(list)
    for path in sorted(folder.iterdir()):
        way, kind, mode = (path.stem.partition("_")[2] + "--").split("-")[:3]
        found[way, kind, mode].append(read(path))
    return found


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _rates(scores: Scores, way: str, kind: str) -> list[str]:
    cells = [SETS[kind], WAYS[way]]
    for own in (scores[way, kind, mode] for mode in ("offline", "streaming")):
        counts = " / ".join(f"{mean(one[count] for one in own):.0f}" for count in _COUNTS)
        cells += [over_seeds([error_rate(one) for one in own]), counts]
    return cells


def _shown(live: Scores, given: Scores, way: str, kind: str) -> list[str]:
    own, counts = live[way, kind, ""], given[way, kind, ""]
    soon = [100 * one["shown_before_their_start"] / one["words"] for one in own]
    back = [100 * one["flicker"]["normalised_erasure"] for one in own]
    delays = [one["delays_s"]["final, heard"]["p50"] for one in own]
    wrong = [100 * one["wrong"] / one["utterances"] for one in counts]
    of_given = f"{sum(one['given_wrong'] for one in counts)} of {sum(one['wrong'] for one in counts)}"
    cells = [over_seeds(soon, 1), over_seeds(back, 0), over_seeds(delays), over_seeds(wrong, 1), of_given]
    return [SETS[kind], WAYS[way], *cells]
