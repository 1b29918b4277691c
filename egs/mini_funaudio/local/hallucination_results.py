"""The section on invented words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import of_seeds, over_seeds, table

STEPS = r"invention|^hallucination"  # names of its steps in exp/seconds

KINDS = {
    "silence": "silence (samples of -1, 0 and 1)",
    "room": "room noise",
    "noise": "street, machine",
    "music": "music",
    "cut": "cut speech",
}
SYSTEMS = {"aed": "AED", "llm": "FireRed LLM", "fun-asr": "Fun-ASR-Nano"}
WAYS = {"before": "as it is", "without": "noise on 30%", "with": "the same, zeros and noise alone"}


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted((exp / "hallucination/count").glob("*.json")):
        *_, way, system = path.stem.split("_")
        found.setdefault((system, way), []).append(json.loads(path.read_text(encoding="utf-8")))
    seeds = max(len(own) for own in found.values())
    any_counts = next(iter(found.values()))[0]
    yield "## Invented words"
    yield ""
    yield "Words that are written and were not said, a minute of audio: of recordings without speech every word, of"
    yield "speech that is cut off in mid-word and followed by silence the insertions. Models are trained further with"
    yield "noise on 30% of the utterances, with and without zeros of up to 1.5 s around 30% of them and noise alone in"
    yield "the place of 10%: the AED and the speech-LLM of egs/mini, and the Fun-ASR-Nano of part sft, one a seed,"
    yield f"which knows Mandarin alone and has Mandarin cut speech. {of_seeds(seeds).capitalize()}; in brackets the"
    yield "share of recordings with any."
    yield ""
    head = ["", "trained", *(_head(kind, any_counts[kind]["minutes"]) for kind in KINDS)]
    rows = []
    for system, name in SYSTEMS.items():
        for way, how in WAYS.items():
            if own := found.get((system, way)):
                rows.append([name, how, *(_figure([one[kind] for one in own]) for kind in KINDS)])
    yield from table(head, rows)


def _head(kind: str, minutes: float) -> str:
    return KINDS[kind] if kind == "cut" else f"{KINDS[kind]} ({minutes:.1f} min)"


def _figure(counts: list[dict[str, float]]) -> str:
    rate = over_seeds([one["words"] / one["minutes"] for one in counts], 1)
    share = sum(one["with"] for one in counts) / sum(one["utterances"] for one in counts)
    return f"{rate} ({share:.0%})"
