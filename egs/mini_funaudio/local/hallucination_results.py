"""The section on invented words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import of_seeds, over_seeds, table

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
    yield "speech that is cut off in mid-word and followed by silence the insertions. Models of egs/mini are trained"
    yield "further with noise on 30% of the utterances, with and without zeros of up to 1.5 s around 30% of them and"
    yield f"noise alone in the place of 10%. {of_seeds(seeds)}; in brackets the"
    yield "share of recordings with any."
    yield ""
    head = ["", "trained", *(f"{KINDS[kind]} ({any_counts[kind]['minutes']:.1f} min)" for kind in KINDS)]
    rows = []
    for system, name in SYSTEMS.items():
        for way, how in WAYS.items():
            if own := found.get((system, way)):
                rows.append([name, how, *(_figure([one[kind] for one in own]) for kind in KINDS)])
    yield from table(head, rows)


def _figure(counts: list[dict[str, float]]) -> str:
    rate = over_seeds([one["words"] / one["minutes"] for one in counts], 1)
    share = sum(one["with"] for one in counts) / sum(one["utterances"] for one in counts)
    return f"{rate} ({share:.0%})"
